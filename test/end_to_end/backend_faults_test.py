# SPDX-License-Identifier: Apache-2.0
"""A backend that is slow, fails, lies or stops short: its own readers get right bytes or EIO, all others notice nothing."""
import errno
import itertools
import os
import time

from faulty_backend import FaultyBackend
from guest import SocketDaemon
from harness import Daemon
from hung_backend import within
from isolation_test import CHUNK, PATIENCE
from queue_reader import QueueReader
from watchers import WatchedImages, Watchers

SECONDS = 0.5 * int(os.environ.get("NYDUS_TEST_FAULTS", "1"))


def slow(right, _):
    time.sleep(0.03)
    return right


class EveryOther:
    """Every second read goes wrong in that way."""

    def __init__(self, how):
        self.how, self.count = how, itertools.count()

    def __call__(self, right, offset):
        return self.how(right, offset) if next(self.count) % 2 else right


def fails(_, offset):
    raise OSError(errno.EIO, f"the test wants it at {offset}")


def lies(right, _):
    return bytes(byte ^ 0x5a for byte in right[:100]) + right[100:]


def stops_short(right, _):
    return right[:len(right) // 2]


FAULTS = {"slow": slow, "fails half of its reads": EveryOther(fails), "has wrong bytes in half of its reads": EveryOther(lies),
          "ends early in half of its reads": EveryOther(stops_short), "always fails": fails, "has wrong bytes": lies}


class BackendFaults(WatchedImages):
    def test_readers_get_right_bytes_or_eio_and_all_of_them_once_the_backend_is_well(self):
        with Daemon() as daemon, FaultyBackend(self.blobs) as backend:
            self.mount(daemon, "good", self.big)
            with Watchers(2, lambda chance: self.read_some(daemon, "good", chance)) as good:
                for number, (name, fault) in enumerate(FAULTS.items()):
                    with self.subTest(name):
                        bad = f"bad-{number}"
                        self.mount(daemon, bad, self.big, backend.path)
                        backend.read = fault
                        errors = () if fault is slow else (errno.EIO,)
                        with Watchers(4, lambda chance, bad=bad, errors=errors: self.read_some(daemon, bad, chance, errors)):
                            time.sleep(SECONDS)
                            for target in ("daemon", f"metrics?id=/{bad}", f"metrics/backend?id=/{bad}", "metrics/inflight"):
                                self.assertIn(within(PATIENCE, daemon.call, "GET", "/api/v1/" + target)[0], (200, 204))
                        backend.read = lambda right, offset: right
                        within(PATIENCE, self.assert_right, daemon, bad, ["big"])
                        self.assertEqual(within(PATIENCE, daemon.umount, "/" + bad)[0], 204)
            self.assertGreater(good.rounds, 0)

    def test_what_a_backend_says_is_told_to_the_operator(self):
        with Daemon() as daemon, FaultyBackend(self.blobs) as backend:
            self.mount(daemon, "bad", self.small, backend.path)
            for fault, word in ((fails, "Input/output error"), (lies, "does not decode"), (stops_short, "it ended at byte")):
                backend.read = fault
                with self.assertRaises(OSError) as seen:
                    self.assert_right(daemon, "bad")
                self.assertEqual(seen.exception.errno, errno.EIO)
                self.assertIn(word, daemon.call("GET", "/api/v1/daemon/events")[1]["errors"][-1])

    def test_on_a_virtqueue_reads_of_others_are_right_beside_those_that_fail(self):
        with SocketDaemon("virtiofs") as daemon, FaultyBackend(self.blobs) as backend:
            self.mount(daemon, "good", self.big)
            for number, (name, fault) in enumerate(FAULTS.items()):
                with self.subTest(name):
                    backend.read = lambda right, offset: right
                    self.mount(daemon, f"bad-{number}", self.big, backend.path)
                    with QueueReader(daemon.vhost, "good/big", f"bad-{number}/big", same_as=self.folder + "/big/big",
                                     hung_reads=64, hung_stride=2 * CHUNK, seconds=SECONDS) as guest:
                        backend.read = fault
                        guest.ask("hang")
                        self.assertGreater(guest.ask("measure")["rate"], 0)
                        outcomes = guest.ask("wait")
                    self.assertEqual(sum(outcomes.values()), 64)
                    self.assertLessEqual(set(outcomes), {"0"} if fault is slow else {"0", str(errno.EIO)})
                    self.assertEqual(within(PATIENCE, daemon.umount, f"/bad-{number}")[0], 204)
