# SPDX-License-Identifier: Apache-2.0
"""What else goes wrong on a host: mounts that go while they are read, floods of calls, no descriptors, little memory, a
cache that may not be written, a backend that comes and goes. Each gives a clear error, and nothing of it is left once its cause is gone.

NYDUS_TEST_FAULTS: how many times longer than by default."""
import contextlib
import errno
import hashlib
import os
import resource
import signal
import subprocess
import time

from async_reads import AsyncReads
from harness import Daemon, UnixConnection
from hung_backend import within
from isolation_test import PATIENCE
from memory_group import MemoryGroup
from watchers import WatchedImages, Watchers

LENGTH = int(os.environ.get("NYDUS_TEST_FAULTS", "1"))
# Twice what it needs of its own for nine readers; of the page cache of 64 MiB that it reads and writes most has to go.
LITTLE_MEMORY = 32 << 20


class Faults(WatchedImages):
    def test_a_hundred_mounts_and_umounts_race_readers(self):
        gone = (errno.ENOENT, errno.EIO, errno.ENOTDIR, errno.ESTALE)
        with Daemon() as daemon:
            self.mount(daemon, "steady", self.big)
            with Watchers(2, lambda chance: self.read_some(daemon, "steady", chance)) as steady, \
                    Watchers(6, lambda chance: self.read_some(daemon, f"race-{chance.randrange(5)}", chance, gone)):
                for step in range(100 * LENGTH):
                    name = f"race-{step % 5}"
                    self.mount(daemon, name, self.big)
                    time.sleep(0.005)
                    self.assertEqual(within(PATIENCE, daemon.umount, "/" + name)[0], 204)
            self.assertGreater(steady.rounds, 0)
            self.assertEqual(os.listdir(daemon.mountpoint), ["steady"])
            self.assert_right(daemon, "steady", ["big"])

    def test_five_hundred_clients_flood_the_api_while_readers_read(self):
        targets = ["daemon", "metrics?id=/image", "metrics/inflight", "metrics/blobcache?id=/image", "nothing", "actors", "trace?limit=10"]
        with Daemon() as daemon:
            self.mount(daemon, "image", self.big)
            with Watchers(4, lambda chance: self.read_some(daemon, "image", chance)) as readers:
                for _ in range(LENGTH):
                    clients = [UnixConnection(daemon.socket) for _ in range(500)]
                    for place, client in enumerate(clients):
                        client.request("GET", "/api/v1/" + targets[place % len(targets)])
                    statuses = {client.getresponse().status for client in clients}
                    for client in clients:
                        client.close()
                    self.assertLessEqual(statuses, {200, 204, 404})
                    self.assertIn(200, statuses)
            self.assertGreater(readers.rounds, 0)
            self.assertEqual(daemon.call("GET", "/api/v1/daemon")[0], 200)

    def test_without_descriptors_what_is_cached_is_read_and_all_comes_back_with_them(self):
        with Daemon() as daemon:
            self.mount(daemon, "warm", self.small)
            self.assert_right(daemon, "warm")
            self.mount(daemon, "cold", self.big)
            whole = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (3, whole[1]))
            with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as knob:
                knob.write("1")
            within(PATIENCE, self.assert_right, daemon, "warm")
            with self.assertRaises(OSError) as seen:
                within(PATIENCE, self.assert_right, daemon, "cold", ["big"])
            self.assertEqual(seen.exception.errno, errno.EIO)
            with contextlib.suppress(OSError, TimeoutError), contextlib.closing(UnixConnection(daemon.socket, timeout=0.5)) as client:
                client.request("GET", "/api/v1/daemon")  # there is no descriptor for its connection
                client.getresponse()
            self.assertIsNone(daemon.process.poll())
            resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, whole)
            within(PATIENCE, self.assert_right, daemon, "cold", ["big"])
            self.assertEqual(within(PATIENCE, daemon.call, "GET", "/api/v1/daemon")[0], 200)
            with open(daemon.log, encoding="utf-8", errors="replace") as log:
                self.assertIn("Too many open files", log.read())
            # With a few left a mount is refused with its cause, again and again, and leaves none open.
            count = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
            resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (count + 2, whole[1]))
            for _ in range(5):
                status, answer = within(PATIENCE, daemon.mount, "/more", self.big, self.settings(daemon, "more"))
                self.assertEqual(status, 500)
                self.assertIn("Too many open files", answer["message"])
            resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, whole)
            self.mount(daemon, "more", self.big)
            within(PATIENCE, self.assert_right, daemon, "more", ["big"])

    def test_held_to_little_memory_by_a_cgroup_it_reads_right_and_lives(self):
        with Daemon() as daemon:
            for number in range(20):
                self.mount(daemon, f"small-{number}", self.small)
            with MemoryGroup(daemon.process.pid, LITTLE_MEMORY) as group:
                for number in range(3):
                    self.mount(daemon, f"big-{number}", self.big)
                with contextlib.ExitStack() as watched:
                    for number in range(3):
                        watched.enter_context(Watchers(3, lambda chance, name=f"big-{number}": self.read_some(daemon, name, chance)))
                    for number in range(20):
                        within(PATIENCE, self.assert_right, daemon, f"small-{number}")
                    for number in range(3):
                        within(2 * PATIENCE, self.assert_right, daemon, f"big-{number}", ["big"])
                self.assertGreater(group.times_met(), 0)
                self.assertEqual(within(PATIENCE, daemon.call, "GET", "/api/v1/daemon")[0], 200)
            self.mount(daemon, "more", self.small)
            within(PATIENCE, self.assert_right, daemon, "more")

    def test_readers_that_stand_still_hold_up_nobody_and_read_on(self):
        """Stopped processes, and asynchronous reads whose results nobody takes."""
        with Daemon() as daemon:
            self.mount(daemon, "image", self.big)
            stopped = [subprocess.Popen(["sha256sum", daemon.path("image/big")], stdout=subprocess.PIPE, text=True) for _ in range(16)]
            for reader in stopped:
                reader.send_signal(signal.SIGSTOP)
            untaken = AsyncReads(daemon.path("image/big"), 4096, [place * 4096 for place in range(2000)])
            with Watchers(2, lambda chance: self.read_some(daemon, "image", chance)) as readers:
                self.mount(daemon, "other", self.big)
                within(PATIENCE, self.assert_right, daemon, "other", ["big"])
                self.assertEqual(within(PATIENCE, daemon.umount, "/other")[0], 204)
            self.assertGreater(readers.rounds, 0)
            for reader in stopped:
                reader.send_signal(signal.SIGCONT)
            wanted = hashlib.sha256(self.bytes_of["big"]).hexdigest()
            self.assertEqual({reader.communicate(timeout=PATIENCE)[0].split()[0] for reader in stopped}, {wanted})
            self.assertEqual(untaken.join(PATIENCE), 0)
            self.assertEqual([untaken.got[place] for place in (0, 1999)],
                             [self.bytes_of["big"][at:at + 4096] for at in (0, 1999 * 4096)])

    def test_a_cache_folder_that_may_not_be_written_is_named_and_used_once_it_may(self):
        with Daemon() as daemon:
            work = os.path.join(daemon.directory, "cache-image")
            os.mkdir(work)
            subprocess.run(["mount", "--bind", work, work], check=True)
            try:
                subprocess.run(["mount", "-o", "remount,bind,ro", work], check=True)
                status, answer = daemon.mount("/image", self.small, self.settings(daemon, "image"))
                self.assertEqual(status, 500)
                self.assertIn(work, answer["message"])
                self.assertIn("Read-only file system", answer["message"])
                self.mount(daemon, "other", self.small)
                self.assert_right(daemon, "other")
                subprocess.run(["mount", "-o", "remount,bind,rw", work], check=True)
                self.mount(daemon, "image", self.small)
                self.assert_right(daemon, "image")
                self.assertEqual(daemon.umount("/image")[0], 204)
            finally:
                subprocess.run(["umount", "-l", work], check=True)

    def test_a_backend_that_comes_and_goes_gives_right_bytes_or_eio_and_holds_up_no_other_mount(self):
        away = self.blobs + "-away"
        with Daemon() as daemon:
            link = os.path.join(daemon.directory, "blobs")
            os.symlink(self.blobs, link)
            self.mount(daemon, "good", self.big)
            with Watchers(2, lambda chance: self.read_some(daemon, "good", chance)) as good:
                for number in range(5 * LENGTH):
                    self.mount(daemon, f"bad-{number}", self.big, link)
                    with Watchers(4, lambda chance, name=f"bad-{number}": self.read_some(daemon, name, chance, (errno.EIO, errno.ENOENT))):
                        for turn in range(20):
                            os.symlink(self.blobs if turn % 2 else away, link + "-next")
                            os.replace(link + "-next", link)
                            time.sleep(0.01)
                    self.assert_right(daemon, f"bad-{number}", ["big"])
            self.assertGreater(good.rounds, 0)
