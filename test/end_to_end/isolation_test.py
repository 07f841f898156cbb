# SPDX-License-Identifier: Apache-2.0
"""One mount's backend hangs, lies or is slow: nothing of that is felt by the other mounts, by the API or at the end."""
import errno
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import async_reads
from async_reads import AsyncReads
from harness import Daemon, build_image, config
from hung_backend import HungBackend, Readers, needs_bindfs, within

CHUNK = 64 << 10
CHUNKS = 256
PATIENCE = 20  # seconds after which something hangs; all of it takes milliseconds
MOUNTS = 50

# Lists a directory into memory that is a page of a file; its status is the errno.
LIST_INTO_FILE = """
import ctypes, mmap, os, sys
page = mmap.mmap(os.open(sys.argv[1], os.O_RDONLY), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
libc = ctypes.CDLL(None, use_errno=True)
place = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(page)))
got = libc.getdents64(os.open(sys.argv[2], os.O_RDONLY | os.O_DIRECTORY), place, ctypes.c_size_t(4096))
os._exit(ctypes.get_errno() if got < 0 else 0)
"""


class Images(unittest.TestCase):
    """An image with one file `big` of many small chunks, and one with small files."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.blobs = cls.folder + "/blobs"
        os.mkdir(cls.blobs)
        cls.bytes_of = {"big": random.Random(1).randbytes(CHUNK * CHUNKS)}
        for number in range(20):
            cls.bytes_of[f"small-{number}"] = f"file {number} ".encode() * 1000
        for name, files in (("big", ["big"]), ("small", [name for name in cls.bytes_of if name != "big"])):
            source = f"{cls.folder}/{name}"
            os.mkdir(source)
            for file in files:
                with open(f"{source}/{file}", "wb") as out:
                    out.write(cls.bytes_of[file])
        cls.big = build_image(cls.folder + "/big", cls.blobs, cls.folder + "/big.boot", "--chunk-size", hex(CHUNK))
        cls.small = build_image(cls.folder + "/small", cls.blobs, cls.folder + "/small.boot")

    def settings(self, daemon, name, blobs=None, **more):
        return config(blobs or self.blobs, os.path.join(daemon.directory, "cache-" + name), **more)

    def mount(self, daemon, name, bootstrap, blobs=None, **more):
        answer = within(PATIENCE, daemon.mount, "/" + name, bootstrap, self.settings(daemon, name, blobs, **more))
        self.assertEqual(answer[0], 204, answer[1])

    def assert_right(self, daemon, name, files=None):
        for file in files or [one for one in self.bytes_of if one != "big"]:
            with open(daemon.path(name, file), "rb") as opened:
                self.assertEqual(opened.read(), self.bytes_of[file], f"{name}/{file}")

    def assert_waiting(self, daemon, count):
        """The daemon holds at least `count` requests."""
        end = time.monotonic() + PATIENCE
        while True:
            held = within(PATIENCE, daemon.call, "GET", "/api/v1/metrics/inflight")[1] or []
            if len(held) >= count:
                return
            self.assertLess(time.monotonic(), end, f"only {len(held)} of {count} requests came in")
            time.sleep(0.05)

    def assert_api_answers(self, daemon):
        for target in ("daemon", "daemon/events", "metrics?id=/hung", "metrics/files?id=/hung", "metrics/backend?id=/hung",
                       "metrics/blobcache?id=/hung", "metrics/inflight", "actors", "trace?limit=100"):
            status, answer = within(PATIENCE, daemon.call, "GET", "/api/v1/" + target)
            self.assertIn(status, (200, 204), (target, answer))


def cold_ranges(count):
    return [(4096, place % CHUNKS * CHUNK + place // CHUNKS * 4096 % CHUNK) for place in range(count)]


@needs_bindfs
class HungMount(Images):
    def test_readers_of_a_hung_backend_hold_up_no_mount_and_no_call_and_get_eio_once_it_is_unmounted(self):
        with HungBackend(self.blobs) as backend, Daemon() as daemon:
            for number in range(MOUNTS - 1):
                self.mount(daemon, f"good-{number}", self.small)
            self.mount(daemon, "hung", self.big, backend.path)
            with open(daemon.path("hung/big"), "rb", buffering=0) as file:
                self.assertEqual(file.read(4096), self.bytes_of["big"][:4096])
            self.assert_right(daemon, "good-0")
            backend.hang()
            direct = Readers(daemon.path("hung/big"), cold_ranges(CHUNKS)[-24:])
            buffered = Readers(daemon.path("hung/big"), cold_ranges(CHUNKS)[150:CHUNKS - 24:4], 0)
            killed = [subprocess.Popen(["dd", "if=" + daemon.path("hung/big"), "of=/dev/null", "bs=64k", "count=1",
                                        f"skip={32 + 4 * place}"], stderr=subprocess.DEVNULL) for place in range(16)]
            self.assert_waiting(daemon, 48)  # the kernel merges some of 64
            for reader in killed[:8]:
                reader.kill()
                self.assertEqual(reader.wait(PATIENCE), -9)
            for number in range(MOUNTS - 1):  # the first one is warm, the others cold
                within(PATIENCE, self.assert_right, daemon, f"good-{number}")
            self.assert_api_answers(daemon)
            within(PATIENCE, os.listdir, daemon.path("hung"))
            self.assertEqual(within(PATIENCE, os.stat, daemon.path("hung/big")).st_size, CHUNK * CHUNKS)
            self.mount(daemon, "new", self.small)
            within(PATIENCE, self.assert_right, daemon, "new")
            self.mount(daemon, "hung-too", self.big, backend.path)
            for name in ("/new", "/good-1", "/hung-too"):
                self.assertEqual(within(PATIENCE, daemon.umount, name)[0], 204)
            self.assertEqual((direct.got, buffered.got), ({}, {}))  # they still wait, and nothing made up was answered
            began = time.monotonic()
            self.assertEqual(within(PATIENCE, daemon.umount, "/hung")[0], 204)
            self.assertEqual(direct.join(PATIENCE) + buffered.join(PATIENCE), 0)
            self.assertLess(time.monotonic() - began, 5)
            self.assertEqual(set(direct.got.values()) | set(buffered.got.values()), {errno.EIO})
            for reader in killed[8:]:
                self.assertEqual(reader.wait(PATIENCE), 1)
            self.mount(daemon, "hung", self.big, backend.path)
            readers = Readers(daemon.path("hung/big"), cold_ranges(CHUNKS)[-8:])
            self.assert_waiting(daemon, 8)
            backend.go_on()
            self.assertEqual(readers.join(PATIENCE), 0)
            self.assertEqual(readers.got[0], self.bytes_of["big"][-8 * CHUNK:-8 * CHUNK + 4096])
            within(PATIENCE, self.assert_right, daemon, "hung", ["big"])

    def test_a_listing_into_a_page_that_hangs_locks_the_directory_and_changes_are_answered_all_the_same(self):
        with HungBackend(self.blobs) as backend, Daemon() as daemon:
            self.mount(daemon, "good", self.small)
            self.mount(daemon, "hung", self.big, backend.path)
            self.assert_right(daemon, "good")
            backend.hang()
            with subprocess.Popen([sys.executable, "-c", LIST_INTO_FILE, daemon.path("hung/big"), daemon.mountpoint]) as lister:
                self.assert_waiting(daemon, 1)  # from now on the kernel holds the directory's lock for it
                self.mount(daemon, "new", self.small)
                self.assertEqual(within(PATIENCE, daemon.umount, "/good")[0], 204)
                self.assertEqual(within(PATIENCE, daemon.umount, "/hung")[0], 204)
                self.assertEqual(lister.wait(PATIENCE), errno.EFAULT)
            within(PATIENCE, self.assert_right, daemon, "new")
            end = time.monotonic() + PATIENCE
            while within(PATIENCE, os.listdir, daemon.mountpoint) != ["new"] or os.path.exists(daemon.path("good")):
                self.assertLess(time.monotonic(), end, os.listdir(daemon.mountpoint))

    def test_told_to_end_the_daemon_ends_while_a_backend_hangs(self):
        with HungBackend(self.blobs) as backend, Daemon() as daemon:
            self.mount(daemon, "good", self.small)
            self.mount(daemon, "hung", self.big, backend.path)
            backend.hang()
            readers = Readers(daemon.path("hung/big"), cold_ranges(64))
            self.assert_waiting(daemon, 64)
            self.assertEqual(daemon.stop(within=5), 0)
            self.assertEqual(readers.join(PATIENCE), 0)
            self.assertLessEqual(set(readers.got.values()), {errno.EIO, errno.ENOTCONN, errno.ECONNABORTED})

    def test_an_image_whose_metadata_hangs_holds_up_no_other_mount_and_no_call(self):
        shutil.copy(self.small, self.blobs + "/small.boot")
        with HungBackend(self.blobs) as backend, Daemon() as daemon:
            backend.hang()
            answers = []
            calls = [threading.Thread(target=lambda name=name: answers.append(
                daemon.mount(name, backend.path + "/small.boot", self.settings(daemon, "hung"))), daemon=True)
                for name in [f"/hung-{number}" for number in range(20)]]
            for call in calls:
                call.start()
            for number in range(5):
                self.mount(daemon, f"good-{number}", self.small)
                within(PATIENCE, self.assert_right, daemon, f"good-{number}")
            self.assertEqual(len(within(PATIENCE, daemon.call, "GET", "/api/v1/daemon")[1]["backend_collection"]), 5)
            self.assertEqual(within(PATIENCE, daemon.umount, "/good-0")[0], 204)
            self.assertEqual(within(PATIENCE, daemon.umount, "/hung-0")[0], 500)  # is not there yet
            self.assertEqual(answers, [])
            backend.go_on()
            for call in calls:
                call.join(PATIENCE)
            self.assertEqual([status for status, _ in answers], [204] * 20, answers)
            within(PATIENCE, self.assert_right, daemon, "hung-7")

    def test_metadata_that_hangs_after_the_mount_is_held_already_and_holds_up_nothing(self):
        source = self.folder + "/many"
        for place in range(4000):
            os.makedirs(f"{source}/{place // 500}", exist_ok=True)
            with open(f"{source}/{place // 500}/{place}", "wb"):
                pass
        build_image(source, self.blobs, self.blobs + "/many.boot")
        with HungBackend(self.blobs) as backend, Daemon() as daemon:
            self.mount(daemon, "good", self.small)
            for number in range(4):
                self.mount(daemon, f"many-{number}", backend.path + "/many.boot")
            backend.hang()
            for number in range(4):
                for folder in range(8):
                    self.assertEqual(len(within(PATIENCE, os.listdir, daemon.path(f"many-{number}", str(folder)))), 500)
            within(PATIENCE, self.assert_right, daemon, "good")

    def test_told_to_end_the_daemon_ends_while_an_image_is_opened(self):
        shutil.copy(self.small, self.blobs + "/small.boot")
        with HungBackend(self.blobs) as backend, Daemon() as daemon:
            backend.hang()
            threading.Thread(target=lambda: self.fails(daemon, backend.path + "/small.boot"), daemon=True).start()
            time.sleep(0.3)
            self.assertEqual(daemon.stop(within=5), 0)

    def fails(self, daemon, bootstrap):
        try:
            daemon.mount("/hung", bootstrap, self.settings(daemon, "hung"))
        except OSError:
            pass  # its connection ends with the daemon


@needs_bindfs
class Backpressure(Images):
    """NYDUS_TEST_WAITING: requests at once."""

    @unittest.skipUnless(async_reads.is_usable(), "no asynchronous I/O for 10,000 reads: raise fs.aio-max-nr")
    def test_ten_thousand_waiting_requests_cost_little_memory_and_no_thread_and_each_is_answered_right(self):
        count = int(os.environ.get("NYDUS_TEST_WAITING", "10000"))
        offsets = [offset for _, offset in cold_ranges(count)]
        with HungBackend(self.blobs) as backend, Daemon() as daemon:
            self.mount(daemon, "good", self.small)
            self.mount(daemon, "hung", self.big, backend.path,
                       limits={"mount_reads": 16, "mount_bytes": 1 << 20, "backend_requests": 4, "backend_bytes": 1 << 20})
            within(PATIENCE, self.assert_right, daemon, "good")
            backend.hang()
            first = AsyncReads(daemon.path("hung/big"), 4096, offsets[:64])
            self.assert_waiting(daemon, 64)
            before, threads = resident_kilobytes(daemon), thread_count(daemon)
            others = AsyncReads(daemon.path("hung/big"), 4096, offsets[64:])
            self.assert_waiting(daemon, count)
            # A request that waits is a few hundred bytes, not the chunks that it asks for; 4 MiB are the API's answer.
            self.assertLess(resident_kilobytes(daemon) - before, 4096 + count // 2)
            self.assertLessEqual(thread_count(daemon), threads + 1)
            within(PATIENCE, self.assert_right, daemon, "good")
            self.assertEqual((first.got, others.got), ({}, {}))
            backend.go_on()
            self.assertEqual(first.join(60) + others.join(60), 0)
            got = [first.got[place] for place in range(64)] + [others.got[place] for place in range(count - 64)]
            wrong = [place for place, offset in enumerate(offsets) if got[place] != self.bytes_of["big"][offset:offset + 4096]]
            self.assertEqual(wrong, [])

    @unittest.skipUnless(async_reads.is_usable(), "no asynchronous I/O for 10,000 reads: raise fs.aio-max-nr")
    def test_ten_thousand_waiting_requests_get_eio_once_when_their_mount_is_unmounted(self):
        count = int(os.environ.get("NYDUS_TEST_WAITING", "10000"))
        with HungBackend(self.blobs) as backend, Daemon() as daemon:
            self.mount(daemon, "hung", self.big, backend.path)
            backend.hang()
            reads = AsyncReads(daemon.path("hung/big"), 4096, [offset for _, offset in cold_ranges(count)])
            self.assert_waiting(daemon, count)
            self.assertEqual(within(PATIENCE, daemon.umount, "/hung")[0], 204)
            self.assertEqual(reads.join(PATIENCE), 0)
            self.assertEqual(set(reads.got.values()), {errno.EIO})
            self.assertEqual(within(PATIENCE, daemon.call, "GET", "/api/v1/metrics/inflight")[1], None)


def resident_kilobytes(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as lines:
        return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])


def thread_count(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/task"))


class WrongBytes(Images):
    def test_a_backend_with_wrong_bytes_gives_eio_until_it_is_right_and_others_are_right_all_along(self):
        bad = self.folder + "/bad"
        shutil.rmtree(bad, ignore_errors=True)
        shutil.copytree(self.blobs, bad)
        for blob in os.listdir(bad):
            with open(f"{bad}/{blob}", "r+b") as file:
                file.seek(1000)
                file.write(b"\xff" * 100)
        with Daemon() as daemon:
            self.mount(daemon, "good", self.small)
            self.mount(daemon, "bad", self.big, bad)
            self.mount(daemon, "bad-small", self.small, bad)
            for _ in range(3):
                with self.assertRaises(OSError) as seen, open(daemon.path("bad/big"), "rb", buffering=0) as file:
                    os.pread(file.fileno(), 4096, 0)
                self.assertEqual(seen.exception.errno, errno.EIO)
                with open(daemon.path("bad/big"), "rb", buffering=0) as file:  # what lies behind is whole
                    self.assertEqual(os.pread(file.fileno(), 4096, 10 * CHUNK), self.bytes_of["big"][10 * CHUNK:10 * CHUNK + 4096])
            self.assert_right(daemon, "good")
            shutil.copytree(self.blobs, bad, dirs_exist_ok=True)
            self.assert_right(daemon, "bad", ["big"])
            self.assert_right(daemon, "bad-small")

    def test_an_image_that_is_corrupt_anywhere_is_refused_or_fails_alone(self):
        with open(self.small, "rb") as file:
            whole = file.read()
        refused = 0
        with Daemon() as daemon:
            self.mount(daemon, "good", self.small)
            for step in range(24):
                broken = f"{self.folder}/broken.boot"
                at = 8192 + step * (len(whole) - 8192) // 24
                with open(broken, "wb") as file:
                    file.write(whole[:at] + b"\xff" * 64 + whole[at + 64:])
                answer = daemon.mount("/bad", broken, self.settings(daemon, "bad"))
                self.assertIn(answer[0], (204, 500, 501))
                if answer[0] != 204:
                    refused += 1
                    self.assertTrue(answer[1]["message"])
                    continue
                self.read_all(daemon.path("bad"))
                self.assert_right(daemon, "good")
                self.assertEqual(daemon.umount("/bad")[0], 204)
            self.assert_right(daemon, "good")
        self.assertGreater(refused, 0)

    def read_all(self, root):
        """What can be read is right; the rest is an error."""
        try:
            names = os.listdir(root)
        except OSError:
            return
        for name in names:
            try:
                with open(os.path.join(root, name), "rb") as file:
                    content = file.read()
            except OSError:
                continue
            if name in self.bytes_of and len(content) == len(self.bytes_of[name]):
                self.assertEqual(content, self.bytes_of[name], name)
