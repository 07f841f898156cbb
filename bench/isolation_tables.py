# SPDX-License-Identifier: Apache-2.0
"""The tables of many mounts on /dev/fuse: what the others feel of one whose backend hangs, and what each more costs."""
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

MOUNTS = 50
HUNG_READERS = (8, 64)
READ_SECONDS = 2
PATIENCE = 5  # seconds more, then the reads count as stopped
SAMPLE = 50   # mounts whose times make one figure


def random_read(path, backend):
    """{"rate", "p99"} of 4 KiB reads by 4 threads; none and PATIENCE where they stop, which lets the backend go on."""
    reader = subprocess.Popen([os.path.join(BENCH_PROGRAMS, "random_read"), path, "4", str(READ_SECONDS)],
                              stdout=subprocess.PIPE, text=True)
    try:
        return json.loads(reader.communicate(timeout=READ_SECONDS + PATIENCE)[0])
    except subprocess.TimeoutExpired:
        backend.go_on()
        reader.communicate()
        return {"rate": 0, "p99": PATIENCE * 1e6}


def isolation(repeats):
    image, cold = images.big_file(), images.big_file()

    def measure(name):
        found = {}
        for count in HUNG_READERS:
            with HungBackend(cold.blobs) as backend, Served(daemons()[name], image) as served:
                for number in range(MOUNTS - 2):
                    served.send(served.request(image, f"/{number}"))
                own = tempfile.mkdtemp(dir=served.directory)
                hung = harness.config(backend.path, own)
                served.mount("/hung", cold.bootstrap, hung)
                path = served.path("image", "big")
                with open(path, "rb", buffering=0) as file:
                    while file.read(1 << 20):
                        pass
                before = random_read(path, backend)
                backend.hang()
                readers = Readers(served.path("hung", "big"), [(4096, place * (4 << 20)) for place in range(count)])
                time.sleep(0.5)
                during = random_read(path, backend)
                if during["rate"]:
                    start = time.perf_counter()
                    served.umount("/hung")
                    found[count, "umount"] = (time.perf_counter() - start) * 1e3
                    readers.join(PATIENCE)
                    found[count, "eio"] = (time.perf_counter() - start) * 1e3
                backend.go_on()
                readers.join(PATIENCE)
            found[count, "rate"] = during["rate"] / before["rate"]
            found[count, "p99"] = during["p99"] / before["p99"]
        return found

    samples = in_turn(repeats, list(daemons()), measure)
    none = {name: [] for name in daemons()}
    rows = []
    for count in HUNG_READERS:
        title = f"{MOUNTS} mounts, {count} readers hang on one"
        rows += [(f"{title}: rate of another's reads, to that before", samples[count, "rate"], {"limit": ">= 0.8"}),
                 (f"{title}: p99 of another's reads, to that before", samples[count, "p99"], {"limit": "<= 1.2"}),
                 (f"{title}: umount of it, ms", samples.get((count, "umount"), none), {"limit": "<= 1000"}),
                 (f"{title}: until all its readers have EIO, ms", samples.get((count, "eio"), none), {"limit": "<= 1000"})]
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
