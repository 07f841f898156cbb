# SPDX-License-Identifier: Apache-2.0
"""How soon a client of the API has its answer: alone, and while readers keep every processor busy."""
import contextlib
import os
import statistics
import subprocess
import time

import images
from contestant import BENCH_PROGRAMS, Served, daemons, in_turn
from fuse_tables import read_through

CALLS = 500
PAUSE_SECONDS = 0.002  # a client that asks now and then, not a flood
READERS = 4
STATE = b"GET /api/v1/daemon HTTP/1.1\r\nHost: localhost\r\n\r\n"
METRICS = b"GET /api/v1/metrics?id=/image HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextlib.contextmanager
def readers(path):
    """READERS threads that read 4 KiB here and there as fast as they can."""
    seconds = CALLS * 2 * (PAUSE_SECONDS + 0.02) + 5
    with subprocess.Popen([os.path.join(BENCH_PROGRAMS, "random_read"), path, str(READERS), str(seconds)],
                          stdout=subprocess.DEVNULL) as process:
        try:
            time.sleep(0.2)
            yield
        finally:
            process.kill()


def milliseconds(served, request):
    """(p50, p99) of CALLS calls, each on a connection of its own."""
    times = []
    for _ in range(CALLS):
        time.sleep(PAUSE_SECONDS)
        start = time.perf_counter()
        served.send(request)
        times.append((time.perf_counter() - start) * 1e3)
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


def api(repeats):
    image = images.big_file()

    def measure(name):
        found = {}
        with Served(daemons()[name], image) as served:
            path = served.path("image", "big")
            read_through(path)
            for company, is_busy in (("alone", contextlib.nullcontext()), (f"beside {READERS} readers", readers(path))):
                with is_busy:
                    for call, request in (("daemon", STATE), ("metrics", METRICS)):
                        found[call, company, "p50"], found[call, company, "p99"] = milliseconds(served, request)
        return found

    samples = in_turn(repeats, list(daemons()), measure)
    return [(f"GET /api/v1/{call}, {company}: {kind}, ms", values, {})
            for (call, company, kind), values in samples.items()]
