# SPDX-License-Identifier: Apache-2.0
"""nydus-image create: speed and peak memory, ours and the peer's in turn."""
import os
import shutil
import subprocess
import tempfile
import time

import images
from contestant import NYDUS_IMAGE, in_turn


def image_build(repeats):
    builders = {"ours": NYDUS_IMAGE}
    if os.environ.get("NYDUS_IMAGE_PEER"):
        builders["peer"] = os.environ["NYDUS_IMAGE_PEER"]
    size = int(subprocess.run(["du", "-s", "--apparent-size", "-B1", images.TREE], check=True, capture_output=True,
                              text=True).stdout.split()[0])

    def build(name, compressor):
        """Seconds, seconds of CPU and peak MiB of one build. The peak is at least this process's own size (20 MiB)."""
        folder = tempfile.mkdtemp(prefix="nydus-bench-build-", dir="/var/tmp")
        try:
            start = time.perf_counter()
            process = subprocess.Popen(
                [builders[name], "create", "--type", "directory", "--fs-version", "5", "--compressor", compressor,
                 "--blob-dir", folder, "--bootstrap", os.path.join(folder, "boot"), images.TREE],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - start
            if process.returncode != 0:
                raise AssertionError(f"{builders[name]} create ends with {process.returncode}")
            written = sum(os.path.getsize(os.path.join(folder, file)) for file in os.listdir(folder))
            return {"rate": size / 1e6 / seconds, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss / 1024,
                    "written": written / 1e6}
        finally:
            shutil.rmtree(folder)

    def measure(name):
        return {(compressor, key): value for compressor in ("lz4_block", "zstd", "none")
                for key, value in build(name, compressor).items()}

    for name in builders:
        build(name, "none")  # the tree into memory
    samples = in_turn(repeats, list(builders), measure)
    rows = []
    for compressor in ("lz4_block", "zstd", "none"):
        title = f"nydus-image create, v5 {compressor}"
        wanted = {"peer": ">= 1.5"} if compressor != "none" else {}
        rows += [(f"{title}: MB/s of the source", samples[compressor, "rate"], wanted),
                 (f"{title}: CPU, s", samples[compressor, "cpu"], {}),
                 (f"{title}: peak memory, MiB", samples[compressor, "peak"], {"peer": "<= 1"}),
                 (f"{title}: image, MB", samples[compressor, "written"], {})]
    return rows
