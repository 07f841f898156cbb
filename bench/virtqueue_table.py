# SPDX-License-Identifier: Apache-2.0
"""The table of virtio-fs: vhost-user-fs back ends in turn, each under bench/virtqueue_load, a fresh one per turn.

Contestants: ours, another nydusd (NYDUS_PEER), and the virtiofsd of Debian's qemu-system-common on a copy of the same
tree. Nobody is pinned: a back end places itself, the load goes where the kernel likes, as a guest's CPU does.
"""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time

import harness
import images
from contestant import cpu_seconds, daemons, in_turn, program

VIRTIOFSD = os.environ.get("VIRTIOFSD", "/usr/lib/qemu/virtiofsd")
BIG_FILE_SIZE = 64 << 20
SMALL_FILES = 3000
SECONDS = 1
WARM_UP = 0.2  # seconds that virtqueue_load does not count
# Row -> what is wanted of ours, as a ratio to a peer's rate.
WANTED = {
    "read 4 KiB depth 1": {"peer": ">= 1", "virtiofsd": ">= 1"},
    "read 4 KiB depth 16": {"peer": ">= 2", "virtiofsd": ">= 1.2"},
    "read 4 KiB depth 64": {"peer": ">= 2", "virtiofsd": ">= 1.2"},
    "read 1 MiB depth 4": {},
    "GETATTR depth 16": {"peer": ">= 1", "virtiofsd": ">= 1"},
    "LOOKUP depth 16": {"peer": ">= 1", "virtiofsd": ">= 1"},
    "READDIRPLUS depth 16": {"peer": ">= 1", "virtiofsd": ">= 1"},
}


def fill(folder):
    """A file `big` of random bytes and 3,000 small files in `many`."""
    with open(os.path.join(folder, "big"), "wb") as big:
        big.write(os.urandom(BIG_FILE_SIZE))
    os.mkdir(os.path.join(folder, "many"))
    for number in range(SMALL_FILES):
        with open(os.path.join(folder, "many", f"file_{number}"), "w", encoding="ascii") as file:
            file.write(str(number))


def plain_tree():
    """The same files as a plain directory, for a back end that serves one."""
    folder = os.path.join(images.FOLDER, "virtqueue.tree")
    if not os.path.isdir(folder):
        os.makedirs(folder + ".part")
        fill(folder + ".part")
        os.rename(folder + ".part", folder)
    return folder


@contextlib.contextmanager
def served(name, image):
    """The vhost-user socket and the process id of that contestant, who ends with the block."""
    folder = tempfile.mkdtemp(prefix="nydus-bench-virtqueue-")
    sock = os.path.join(folder, "sock")
    if name == "virtiofsd":
        line = [VIRTIOFSD, f"--socket-path={sock}", "-o", f"source={plain_tree()}", "-o", "sandbox=chroot", "-o", "cache=auto"]
    else:
        settings = os.path.join(folder, "config.json")
        os.mkdir(os.path.join(folder, "cache"))
        with open(settings, "w", encoding="ascii") as file:
            json.dump(harness.config(image.blobs, os.path.join(folder, "cache")), file)
        line = [daemons()[name], "virtiofs", "--sock", sock, "--bootstrap", image.bootstrap, "--config", settings,
                "--log-level", "error", "--rlimit-nofile", "0"]
    with open(os.path.join(folder, "log"), "wb") as log:
        server = subprocess.Popen(line, stdout=log, stderr=log)
    try:
        while not os.path.exists(sock):
            if server.poll() is not None:
                with open(os.path.join(folder, "log"), encoding="utf-8", errors="replace") as log:
                    raise AssertionError(f"{name} ended: {log.read()}")
            time.sleep(0.01)
        yield sock, server.pid
    finally:
        server.terminate()
        try:
            server.wait(2)
        except subprocess.TimeoutExpired:  # the public nydusd waits for ever once its VMM is there
            server.kill()
            server.wait()
        shutil.rmtree(folder)


def virtqueue(repeats):
    image = images.made("virtqueue", lambda _: plain_tree())
    contestants = [*daemons(), *(["virtiofsd"] if os.access(VIRTIOFSD, os.X_OK) else [])]

    def measure(name):
        found = {}
        for row in WANTED:  # a fresh one for each: the public nydusd serves one VMM only
            with served(name, image) as (sock, pid):
                before = cpu_seconds(pid)
                seen, = json.loads(program("virtqueue_load", "--sock", sock, "--file", "big", "--dir", "many",
                                           "--seconds", SECONDS, "--row", row, "--json"))
                spent = cpu_seconds(pid) - before
            found |= {(row, key): seen[key] for key in ("per_second", "p50", "p99")}
            found[row, "cpu"] = spent / (seen["per_second"] * (SECONDS + WARM_UP)) * 1e6
        return found

    samples = in_turn(repeats, contestants, measure)
    rows = []
    for row, wanted in WANTED.items():
        unit = "entries/s" if row.startswith("READDIRPLUS") else "requests/s"
        rows += [(f"{row}: {unit}", samples[row, "per_second"], wanted),
                 (f"{row}: p50, us", samples[row, "p50"], {}),
                 (f"{row}: p99, us", samples[row, "p99"], {"peer": "<= 1", "virtiofsd": "<= 1"} if wanted else {}),
                 (f"{row}: CPU of the back end, us each", samples[row, "cpu"], {})]
    return rows
