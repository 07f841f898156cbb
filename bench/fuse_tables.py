# SPDX-License-Identifier: Apache-2.0
"""The tables of /dev/fuse: each function measures every contestant `repeats` times, in turn, and gives rows for run.py."""
import contextlib
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time

import harness
import images
from contestant import BENCH_PROGRAMS, Served, daemons, in_turn, program

READ_SECONDS = 1
READ_TURNS = 4  # per repeat: many short turns, since the machine's speed changes from one second to the next
READ_SIZE = 1 << 20


def read_through(path):
    """Seconds that reading the whole file in order takes."""
    buffer = bytearray(READ_SIZE)
    start = time.perf_counter()
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.perf_counter() - start


@contextlib.contextmanager
def floor_server():
    """The mountpoint of an empty server with one file as large as the big one."""
    mountpoint = tempfile.mkdtemp(prefix="nydus-bench-floor-")
    server = subprocess.Popen([os.path.join(BENCH_PROGRAMS, "floor_server"), mountpoint, str(images.BIG_FILE_SIZE)])
    try:
        while not os.path.ismount(mountpoint):
            if server.poll() is not None:
                raise AssertionError("floor_server ended")
            time.sleep(0.01)
        yield mountpoint
    finally:
        subprocess.run(["umount", "-l", mountpoint], check=False)
        server.wait(5)
        os.rmdir(mountpoint)


def children_cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def random_read(repeats):
    image = images.big_file()
    with contextlib.ExitStack() as stack:
        paths, served = {}, {}
        for name, binary in daemons().items():
            served[name] = stack.enter_context(Served(binary, image))
            paths[name] = served[name].path("image", "big")
            read_through(paths[name])
        paths["floor"] = os.path.join(stack.enter_context(floor_server()), "file")

        def measure(name):
            found = {}
            for threads in (1, 4):
                before = served[name].cpu_seconds() if name in served else 0
                seen = json.loads(program("random_read", paths[name], threads, READ_SECONDS))
                found.update({(threads, key): value for key, value in seen.items()})
                if name in served:
                    found[threads, "cpu"] = (served[name].cpu_seconds() - before) * 1e6 / (seen["rate"] * READ_SECONDS)
            return found

        samples = in_turn(READ_TURNS * repeats, list(paths), measure)
    rows = []
    for threads in (1, 4):
        title = f"4 KiB O_DIRECT, {threads} thread{'s' if threads > 1 else ''}"
        rows += [(f"{title}: reads/s", samples[threads, "rate"], {"peer": ">= 1.5", "floor": ">= 0.85"}),
                 (f"{title}: p50, us", samples[threads, "p50"], {}),
                 (f"{title}: p99, us", samples[threads, "p99"], {"peer": "<= 1"}),
                 (f"{title}: CPU of the server, us per read", samples[threads, "cpu"], {})]
    return rows


def walk(repeats):
    image = images.tree()

    def measure(name):
        with Served(daemons()[name], image) as served:
            root = served.path("image")
            found = {}

            def walk_once(state):
                before = children_cpu_seconds()
                seen = json.loads(program("tree_walk", root))
                found[state, "rate"] = seen["entries"] / seen["seconds"]
                found[state, "at most"] = seen["entries"] / (children_cpu_seconds() - before)

            walk_once("new mount")
            walk_once("warm")
            with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as knob:
                knob.write("2")
            walk_once("dropped")
            return found

    samples = in_turn(repeats, list(daemons()), measure)
    rows = []
    for state, title, wanted in (("new mount", "new mount", {"peer": ">= 2"}),
                                 ("dropped", "dentries and inodes dropped", {"peer": ">= 2"}), ("warm", "warm", {})):
        rows += [(f"walk with stat, {title}: inodes/s", samples[state, "rate"], wanted),
                 (f"walk with stat, {title}: inodes/s of the walker's own CPU time", samples[state, "at most"], {})]
    return rows


def sequential(repeats):
    image = images.big_file()

    def measure(name):
        cache = tempfile.mkdtemp(prefix="nydus-bench-cache-", dir="/var/tmp")
        try:
            found = {}
            for state in ("empty", "in memory", "on disk"):
                if state == "on disk":
                    harness.drop_page_cache()
                with Served(daemons()[name], image, cache) as served:
                    before = served.cpu_seconds()
                    seconds = read_through(served.path("image", "big"))
                    found[state, "rate"] = images.BIG_FILE_SIZE / 1e6 / seconds
                    found[state, "cpu"] = served.cpu_seconds() - before
            images.big_file()  # its blob back into memory
            return found
        finally:
            shutil.rmtree(cache)

    samples = in_turn(repeats, list(daemons()), measure)
    rows = []
    for state, title, wanted in (("empty", "empty", ">= 1.5"), ("in memory", "full and in memory, new mount", ">= 1.2"),
                                 ("on disk", "full, page cache empty", ">= 1.2")):
        rows += [(f"512 MiB in order, blob cache {title}: MB/s", samples[state, "rate"], {"peer": wanted}),
                 (f"512 MiB in order, blob cache {title}: CPU of the server, s", samples[state, "cpu"], {})]
    return rows


def tar(repeats):
    image = images.tree()

    def seconds(root):
        start = time.perf_counter()
        with subprocess.Popen(["tar", "-cf", "-", "-C", root, "."], stdout=subprocess.PIPE) as packer:
            buffer = bytearray(READ_SIZE)
            while packer.stdout.readinto(buffer):
                pass
        if packer.returncode != 0:
            raise AssertionError("tar failed")
        return time.perf_counter() - start

    def measure(name):
        cache = tempfile.mkdtemp(prefix="nydus-bench-cache-", dir="/var/tmp")
        try:
            with Served(daemons()[name], image, cache) as served:
                found = {"empty": seconds(served.path("image"))}
            with Served(daemons()[name], image, cache) as served:
                found["full"] = seconds(served.path("image"))
                found["warm"] = seconds(served.path("image"))
            return found
        finally:
            shutil.rmtree(cache)

    samples = in_turn(repeats, list(daemons()), measure)
    return [("tar of small files, blob cache empty: s", samples["empty"], {"peer": "<= 1"}),
            ("tar of small files, blob cache full, new mount: s", samples["full"], {"peer": "<= 1"}),
            ("tar of small files, warm: s", samples["warm"], {})]


def mount(repeats):
    mounts_per_turn = 20
    counts = (1000, 100_000)
    made = {count: images.inodes(count) for count in counts}

    def empty_call(served):
        """Milliseconds of a call that has nothing to do."""
        start = time.perf_counter()
        served.send(b"GET /api/v2/daemon HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return (time.perf_counter() - start) * 1e3

    def once(served, image, mountpoint):
        """Milliseconds from the call to its answer, the first stat and the first byte."""
        request = served.request(image, mountpoint)
        path = served.path(mountpoint.lstrip("/"), "000", "000")
        start = time.perf_counter()
        served.send(request)
        answered = time.perf_counter()
        os.stat(path)
        stated = time.perf_counter()
        with open(path, "rb", buffering=0) as file:
            file.read(1)
        return [(then - start) * 1e3 for then in (answered, stated, time.perf_counter())]

    def measure(name):
        found = {}
        for count in counts:
            harness.drop_page_cache()
            with Served(daemons()[name]) as served:
                found[count, "cold"] = once(served, made[count], "/cold")[2]
                times = sorted(once(served, made[count], f"/warm{i}") for i in range(mounts_per_turn))
                for place, key in enumerate(("answer", "stat", "byte")):
                    found[count, key] = sorted(one[place] for one in times)[mounts_per_turn // 2]
                found["empty call"] = sorted(empty_call(served) for _ in range(mounts_per_turn))[mounts_per_turn // 2]
        return found

    samples = in_turn(repeats, list(daemons()), measure)
    rows = [("an API call that has nothing to do, ms", samples["empty call"], {})]
    for count in counts:
        title = f"mount of {count:,} inodes"
        rows += [(f"{title}: answer, ms", samples[count, "answer"], {}),
                 (f"{title}: first stat, ms", samples[count, "stat"], {"peer": "<= 0.5"}),
                 (f"{title}: first byte, ms", samples[count, "byte"], {"peer": "<= 0.5"}),
                 (f"{title}: first byte, page cache empty, ms", samples[count, "cold"], {"peer": "<= 0.5"})]
    return rows


def memory(repeats):
    mounts = 20
    image = images.inodes(100_000)

    def measure(name):
        with Served(daemons()[name]) as served:
            time.sleep(0.5)
            idle, resident = served.memory()
            for number in range(mounts):
                served.send(served.request(image, f"/{number}"))
            mounted = served.memory()[0]
            for number in range(mounts):
                program("tree_walk", served.path(str(number)))
            walked = served.memory()[0]
        return {"idle": idle, "resident": resident, "mounted": (mounted - idle) / mounts, "walked": (walked - idle) / mounts}

    samples = in_turn(repeats, list(daemons()), measure)
    return [("idle daemon: private MiB", samples["idle"], {"limit": "<= 10"}),
            ("idle daemon: resident MiB (shared libraries too)", samples["resident"], {}),
            ("mount of 100,000 inodes: private MiB", samples["mounted"], {"limit": "<= 0.1"}),
            ("the same after a walk: private MiB", samples["walked"], {})]
