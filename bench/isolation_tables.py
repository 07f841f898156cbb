# SPDX-License-Identifier: Apache-2.0
"""The tables of many mounts: what the others feel of one whose backend hangs, and what each more costs."""
import dataclasses
import json
import os
import statistics
import subprocess
import tempfile
import time

import harness
import images
from contestant import BENCH_PROGRAMS, Served, daemons, in_turn
from hung_backend import HungBackend, Readers
from queue_reader import QueueReader

MOUNTS = 50
HUNG_READS = (8, 64)
HUNG_STRIDE = 4 << 20  # bytes from one of them to the next: no two wait for one chunk
READ_SECONDS = 2
PATIENCE = 5  # seconds more, then the reads count as stopped
SAMPLE = 50   # mounts whose times make one figure


class OnFuse:
    """/dev/fuse: 4 threads read 4 KiB each of /image/big, and `count` others of /hung/big when told."""
    title = "/dev/fuse"
    server = Served

    def __init__(self, served, backend, count):
        self.served, self.backend, self.count, self.readers = served, backend, count, None
        with open(served.path("image", "big"), "rb", buffering=0) as file:
            while file.read(1 << 20):
                pass

    def measure(self):
        """{"rate", "p99"}; 0 and PATIENCE where the reads stop, which lets the backend go on."""
        reader = subprocess.Popen([os.path.join(BENCH_PROGRAMS, "random_read"), self.served.path("image", "big"), "4", str(READ_SECONDS)],
                                  stdout=subprocess.PIPE, text=True)
        try:
            return json.loads(reader.communicate(timeout=READ_SECONDS + PATIENCE)[0])
        except subprocess.TimeoutExpired:
            self.backend.go_on()
            reader.communicate()
            return {"rate": 0, "p99": PATIENCE * 1e6}

    def hang(self):
        self.readers = Readers(self.served.path("hung", "big"), [(4096, place * HUNG_STRIDE) for place in range(self.count)])

    def join(self):
        self.readers.join(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.backend.go_on()
        if self.readers:
            self.join()


class ServedGuests(Served):
    """The same daemon on a vhost-user socket."""

    def arguments(self, options):
        self.vhost = os.path.join(self.directory, "vhost.sock")
        return ["virtiofs", *options, "--sock", self.vhost]


class OnQueue(QueueReader):
    """virtio-fs: 16 reads of 4 KiB of image/big are under way on a queue, and `count` of hung/big on the same one when told."""
    title = "virtio-fs"
    server = ServedGuests

    def __init__(self, served, _, count):
        super().__init__(served.vhost, "image/big", "hung/big", hung_reads=count, hung_stride=HUNG_STRIDE, seconds=READ_SECONDS)

    def measure(self):
        return self.ask("measure")

    def hang(self):
        self.ask("hang")

    def join(self):
        self.ask("wait")


def felt(name, transport, image, cold, count):
    """What a mount feels of `count` reads that hang on another: {key: ratio or milliseconds}."""
    found = {}
    with HungBackend(cold.blobs) as backend, transport.server(daemons()[name], image) as served:
        for number in range(MOUNTS - 2):
            served.send(served.request(image, f"/{number}"))
        served.mount("/hung", cold.bootstrap, harness.config(backend.path, tempfile.mkdtemp(dir=served.directory)))
        with transport(served, backend, count) as reads:
            before = reads.measure()
            backend.hang()
            reads.hang()
            time.sleep(0.5)
            during = reads.measure()
            if during["rate"]:
                start = time.perf_counter()
                served.umount("/hung")
                found["umount"] = (time.perf_counter() - start) * 1e3
                reads.join()
                found["eio"] = (time.perf_counter() - start) * 1e3
        backend.go_on()
    found["rate"] = during["rate"] / before["rate"]
    found["p99"] = during["p99"] / before["p99"]
    return found


def isolation(repeats):
    image, cold = images.big_file(), images.big_file()
    cases = [(transport, count) for transport in (OnFuse, OnQueue) for count in HUNG_READS]

    def measure(name):
        return {(transport, count, key): value for transport, count in cases
                for key, value in felt(name, transport, image, cold, count).items()}

    samples = in_turn(repeats, list(daemons()), measure)
    none = {name: [] for name in daemons()}
    rows = []
    for transport, count in cases:
        title = f"{transport.title}, {MOUNTS} mounts, {count} reads hang on one"
        rows += [(f"{title}: rate of another's reads, to that before", samples[transport, count, "rate"], {"limit": ">= 0.8"}),
                 (f"{title}: p99 of another's reads, to that before", samples[transport, count, "p99"], {"limit": "<= 1.2"}),
                 (f"{title}: umount of it, ms", samples.get((transport, count, "umount"), none), {"limit": "<= 1000"}),
                 (f"{title}: until all its readers have EIO, ms", samples.get((transport, count, "eio"), none), {"limit": "<= 1000"})]
    return rows


@dataclasses.dataclass
class Climb:
    """What mounting many gave: milliseconds of each call, and private MiB of each mount."""
    calls: list
    memory: float


def climb(served, requests):
    """Mounts until all are there or one is refused."""
    calls, before = [], served.memory()[0]
    for request in requests:
        start = time.perf_counter()
        try:
            served.send(request)
        except (AssertionError, OSError):
            break
        calls.append((time.perf_counter() - start) * 1e3)
    return Climb(calls, (served.memory()[0] - before) / max(1, len(calls)))


def many_mounts(repeats):
    one, different = images.inodes(1000), images.small_ones(1000)
    orders = {"1,000 images": lambda served: [served.request(image, f"/{place}") for place, image in enumerate(different)],
              "one image 5,000 times": lambda served: [served.request(one, f"/{place}") for place in range(5000)]}

    def measure(name):
        found = {}
        for title, requests in orders.items():
            with Served(daemons()[name]) as served:
                climbed = climb(served, requests(served))
                count = len(climbed.calls)
                right = sum(bool(os.listdir(served.path(str(place)))) for place in range(count))
                started = time.perf_counter()
                served.umount("/0")
                found[title, "umount"] = (time.perf_counter() - started) * 1e3
            sample = min(SAMPLE, count // 2)
            found[title, "mounts"] = right
            found[title, "first"] = statistics.median(climbed.calls[:sample])
            found[title, "last"] = statistics.median(climbed.calls[-sample:])
            found[title, "growth"] = found[title, "last"] / found[title, "first"]
            found[title, "memory"] = climbed.memory
        return found

    samples = in_turn(repeats, list(daemons()), measure)
    rows = []
    for title in orders:
        rows += [(f"{title}: mounts that show their files", samples[title, "mounts"], {}),
                 (f"{title}: a call among the first {SAMPLE}, ms", samples[title, "first"], {}),
                 (f"{title}: a call among the last {SAMPLE}, ms", samples[title, "last"], {}),
                 (f"{title}: last to first", samples[title, "growth"], {"limit": "<= 1.2"}),
                 (f"{title}: umount of one when all are there, ms", samples[title, "umount"], {}),
                 (f"{title}: private MiB each", samples[title, "memory"], {"limit": "<= 0.1"})]
    return rows
