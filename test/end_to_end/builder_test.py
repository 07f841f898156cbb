# SPDX-License-Identifier: Apache-2.0
"""Images of our own nydus-image, mounted: each is its source."""
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import harness
from harness import Daemon, config


NYDUS_IMAGE = os.environ.get("NYDUS_IMAGE", os.path.join(harness.ROOT, "build/builder/nydus-image"))


class Builder(unittest.TestCase):
    def make_tree(self, root):
        os.makedirs(root + "/deep/er/est")
        os.mkdir(root + "/empty")
        for name, data in (("none", b""), ("small", b"x"), ("big", os.urandom(3 << 20)), ("zeros", bytes(2 << 20)),
                           ("text", b"the same line again\n" * 100000), ("n" * 255, b"long name"), ("\udcff\udcfe", b"no UTF-8")):
            with open(root + "/deep/" + name, "wb") as file:
                file.write(data)
        shutil.copy(root + "/deep/big", root + "/copy")
        with open(root + "/sparse", "wb") as file:
            file.truncate(5 << 20)
            file.seek(4 << 20)
            file.write(b"behind the hole")
        os.link(root + "/copy", root + "/deep/er/link")
        os.symlink("../small", root + "/deep/er/symlink")
        os.mkfifo(root + "/fifo")
        os.mknod(root + "/device", 0o600 | 0o020000, os.makedev(1, 7))
        os.setxattr(root + "/copy", "user.one", b"1")
        os.setxattr(root + "/copy", "trusted.two", bytes(range(256)))
        os.chmod(root + "/deep/small", 0o4711)
        os.chown(root + "/deep/text", 12345, 54321)
        os.utime(root + "/deep/big", ns=(1, 1234567890123456789))

    def build(self, *options, **more):
        return subprocess.run([NYDUS_IMAGE, "create", "--log-level", "warn", *options], capture_output=True, check=False, **more)

    def test_a_mounted_image_is_its_source_whatever_it_was_built_with(self):
        with tempfile.TemporaryDirectory() as folder, Daemon() as daemon:
            source, blobs, boot = folder + "/source", folder + "/blobs", folder + "/boot"
            os.mkdir(source), os.mkdir(blobs)
            self.make_tree(source)
            wanted = harness.tree(source)
            for options in (["--compressor", "none"], ["--compressor", "lz4_block", "--digester", "sha256"], ["--compressor", "zstd"],
                            ["--chunk-size", "0x1000"], ["--chunk-size", "0x1000000", "--aligned-chunk"]):
                with self.subTest(options):
                    built = self.build(*options, "--blob-dir", blobs, "--bootstrap", boot, source)
                    self.assertEqual(built.returncode, 0, built.stderr)
                    self.assertEqual(subprocess.run([NYDUS_IMAGE, "check", "--bootstrap", boot], stdout=subprocess.DEVNULL).returncode, 0)
                    self.assertEqual(daemon.mount("/built", boot, config(blobs, os.path.join(daemon.directory, "cache")))[0], 204)
                    self.assertEqual(harness.differences(harness.tree(daemon.path("built")), wanted), [])
                    self.assertEqual(daemon.umount("/built")[0], 204)

    def test_a_directory_of_many_entries_is_listed_whole(self):
        with tempfile.TemporaryDirectory() as folder, Daemon() as daemon:
            os.mkdir(folder + "/source"), os.mkdir(folder + "/blobs")
            names = {f"{number:06}" for number in range(int(os.environ.get("NYDUS_TEST_ENTRIES", "100000")))}
            for name in names:
                os.mknod(folder + "/source/" + name)
            self.assertEqual(self.build("--blob-dir", folder + "/blobs", "-B", folder + "/boot", folder + "/source").returncode, 0)
            self.assertEqual(daemon.mount("/many", folder + "/boot", config(folder + "/blobs"))[0], 204)
            self.assertEqual(set(os.listdir(daemon.path("many"))), names)
            self.assertFalse(os.path.exists(daemon.path("many", "1000000")))

    def test_prefetch_fetches_what_the_image_names_before_anyone_reads(self):
        with tempfile.TemporaryDirectory() as folder, Daemon() as daemon:
            os.mkdir(folder + "/source"), os.mkdir(folder + "/blobs")
            self.make_tree(folder + "/source")
            built = self.build("--prefetch-policy", "fs", "--blob-dir", folder + "/blobs", "-B", folder + "/boot", folder + "/source",
                               input=b"/deep\n")
            self.assertEqual(built.returncode, 0, built.stderr)
            settings = config(folder + "/blobs", daemon.directory + "/cache", fs_prefetch={"enable": True, "prefetch_all": False})
            self.assertEqual(daemon.mount("/ahead", folder + "/boot", settings)[0], 204)
            for _ in range(100):
                metrics = daemon.call("GET", "/api/v1/metrics/blobcache?id=%2Fahead")[1]
                if metrics["prefetch_end_time_secs"]:
                    break
                time.sleep(0.05)
            self.assertGreater(metrics["prefetch_data_amount"], 3 << 20)

    def test_wrong_calls_say_what_would_be_right(self):
        for options, status, word in ((["--chunk-size", "5", "-D", "/tmp", "/"], 2, "--chunk-size"), (["/"], 2, "--blob-dir"),
                                      (["--fs-version", "6", "-D", "/tmp", "/"], 2, "RAFS v5"), (["-D", "/tmp", "/no/such"], 1, "/no/such")):
            built = self.build(*options)
            self.assertEqual(built.returncode, status, built.stderr)
            self.assertIn(word, built.stderr.decode())
