# SPDX-License-Identifier: Apache-2.0
"""Who is measured: daemons with one image mounted, and the order in which contestants take turns."""
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "test/end_to_end"))
import harness  # noqa: E402  (lies in test/, which bench/ may use)

BENCH_PROGRAMS = os.path.join(ROOT, "build/bench")
NYDUS_IMAGE = os.path.join(ROOT, "build/builder/nydus-image")


def daemons():
    """{contestant: its nydusd}"""
    found = {"ours": harness.NYDUSD}
    if os.environ.get("NYDUS_PEER"):
        found["peer"] = os.environ["NYDUS_PEER"]
    return found


def in_turn(repeats, contestants, measure):
    """{key of a measurement: {contestant: samples}}; `measure(contestant)` gives {key: value}."""
    samples = {}
    for turn in range(repeats):
        order = list(contestants) if turn % 2 == 0 else list(reversed(contestants))
        for one in order:
            for key, value in measure(one).items():
                samples.setdefault(key, {name: [] for name in contestants})[one].append(value)
    return samples


def cpu_seconds(pid):
    """That a process has run so far, the threads that have ended included; to a hundredth."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Served(harness.Daemon):
    """A nydusd with `image` at /image (if one is given), its own cache folder and an empty log level."""

    def __init__(self, binary, image=None, cache=None):
        self.own_cache = cache or tempfile.mkdtemp(prefix="nydus-bench-cache-", dir="/var/tmp")
        self.keeps_cache = cache is not None
        super().__init__("--log-level", "error", binary=binary)
        if image:
            status, answer = self.mount("/image", image.bootstrap, self.settings(image))
            if status != 204:
                raise AssertionError(f"{binary} does not mount {image.bootstrap}: {answer}")

    def settings(self, image):
        return harness.config(image.blobs, self.own_cache)

    def request(self, image, mountpoint):
        """The bytes of a mount request."""
        body = harness.json.dumps({"source": image.bootstrap, "fs_type": "rafs",
                                   "config": harness.json.dumps(self.settings(image))}).encode()
        head = f"POST /api/v1/mount?mountpoint={mountpoint} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def send(self, request):
        """Sends bytes of a request and waits for the answer's head: the least a client can do."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.socket)
            client.sendall(request)
            head = client.recv(4096)
        if not head.startswith((b"HTTP/1.1 204", b"HTTP/1.1 200")):
            raise AssertionError(head)

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def memory(self):
        """(private and written, resident) MiB."""
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as file:
            sizes = {line.split(":")[0]: int(line.split()[1]) for line in file if line.endswith("kB\n")}
        return sizes["Private_Dirty"] / 1024, sizes["Rss"] / 1024

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop()
        super().__exit__()
        if not self.keeps_cache:
            shutil.rmtree(self.own_cache, ignore_errors=True)


def program(name, *words):
    """What a program of bench/ prints."""
    return subprocess.run([os.path.join(BENCH_PROGRAMS, name), *map(str, words)], check=True, capture_output=True,
                          text=True).stdout
