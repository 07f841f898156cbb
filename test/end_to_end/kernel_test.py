# SPDX-License-Identifier: Apache-2.0
"""Every way in which the kernel reads a mounted image, and what the counters say of it."""
import concurrent.futures
import errno
import hashlib
import mmap
import os
import tempfile
import unittest

import harness
from harness import BLOBS, Daemon, TREE_IMAGES, config, image, manifest, needs_fixtures


@needs_fixtures
class KernelInterface(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon()
        cls.addClassCleanup(cls.daemon.__exit__)
        cls.settings = config(BLOBS, os.path.join(cls.daemon.directory, "cache"), iostats_files=True, access_pattern=True)
        assert cls.daemon.mount("/image", image(TREE_IMAGES[0]), cls.settings)[0] == 204
        files = {path: entry for path, entry in manifest("tree").items() if entry.get("size", 0) > 300000 and entry["nlink"] == 1}
        cls.big, cls.entry = max(files.items(), key=lambda item: item[1]["size"])
        cls.path = cls.daemon.path("image", os.fsdecode(cls.big.encode("latin-1")))

    def digest(self, data):
        return hashlib.sha256(data).hexdigest()

    def test_nothing_can_be_changed(self):
        folder = self.daemon.path("image")
        for change in (lambda: os.open(folder + "/new", os.O_CREAT | os.O_WRONLY), lambda: os.mkdir(folder + "/new"),
                       lambda: os.unlink(self.path), lambda: os.rename(self.path, folder + "/new"),
                       lambda: os.chmod(self.path, 0), lambda: os.truncate(self.path, 0),
                       lambda: os.symlink("x", folder + "/new"), lambda: os.setxattr(self.path, "user.x", b"1")):
            with self.assertRaises(OSError) as why:
                change()
            self.assertEqual(why.exception.errno, errno.EROFS)

    def test_every_way_of_reading_gives_the_same_bytes(self):
        with open(self.path, "rb") as file:
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
                self.assertEqual(self.digest(view), self.entry["sha256"])
            target, = [tempfile.TemporaryFile()]
            offset = 0
            while sent := os.sendfile(target.fileno(), file.fileno(), offset, 1 << 20):
                offset += sent
            target.seek(0)
            self.assertEqual(self.digest(target.read()), self.entry["sha256"])
            target.close()
        direct = os.open(self.path, os.O_RDONLY | os.O_DIRECT)
        buffer, read = mmap.mmap(-1, 1 << 20), b""
        while size := os.preadv(direct, [buffer], len(read)):
            read += buffer[:size]
        os.close(direct)
        self.assertEqual(self.digest(read), self.entry["sha256"])

    def test_parallel_readers_all_get_every_byte(self):
        files = [(os.fsdecode(path.encode("latin-1")), entry) for path, entry in manifest("tree").items() if "sha256" in entry]

        def check(item):
            with open(self.daemon.path("image", item[0]), "rb") as file:
                return self.digest(file.read()) == item[1]["sha256"]
        harness.drop_page_cache()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertTrue(all(pool.map(check, files)))

    def test_metrics_count_what_was_read(self):
        status, before = self.daemon.call("GET", "/api/v1/metrics?id=%2Fimage")
        self.assertEqual(status, 200)
        harness.drop_page_cache()
        with open(self.path, "rb") as file:
            file.read()
        after = self.daemon.call("GET", "/api/v1/metrics")[1]
        self.assertEqual(after["data_read"] - before["data_read"], self.entry["size"])
        self.assertGreater(after["fop_hits"][4], before["fop_hits"][4])
        self.assertTrue(self.daemon.call("GET", "/api/v1/metrics/pattern")[1])
        status, refused = self.daemon.call("GET", "/api/v1/metrics/pattern?id=poison")
        self.assertEqual(status, 404)
        self.assertIn("Pattern(Metrics(Stats(NoCounter)))", refused["message"])
        self.assertEqual(self.daemon.call("GET", "/api/v1/metrics/blobcache?id=test")[0], 200)
        self.assertEqual(self.daemon.call("GET", "/api/v1/metrics/backend")[1]["read_errors"], 0)
        self.assertEqual(self.daemon.call("GET", "/api/v1/metrics/inflight")[0], 204)
