# SPDX-License-Identifier: Apache-2.0
"""Caches that are damaged, full, shared or cut off by a kill: never a wrong byte."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import harness
from harness import BLOBS, Daemon, TREE_IMAGES, config, image, manifest, needs_fixtures


@needs_fixtures
class CacheFaults(unittest.TestCase):
    def test_a_wrong_blob_is_an_error_and_a_repaired_one_is_read_without_a_restart(self):
        with Daemon() as daemon:
            blobs = os.path.join(daemon.directory, "blobs")
            shutil.copytree(BLOBS, blobs)
            settings = config(blobs, os.path.join(daemon.directory, "cache"))
            self.assertEqual(daemon.mount("/image", image(TREE_IMAGES[0]), settings)[0], 204)
            blob = os.path.join(blobs, "e0b9f6be89ba1526cdf9672723249b409390776f84d098c0446694bbe1d372fc")
            right = open(blob, "rb").read()
            wanted = manifest("tree")
            path = max((p for p in wanted if wanted[p].get("size", 0) > 0), key=lambda p: wanted[p]["size"])
            real = daemon.path("image", os.fsdecode(path.encode("latin-1")))
            for damage in (bytes(byte ^ 0x5a for byte in right), right[:100], None):
                if damage is None:
                    os.unlink(blob)
                else:
                    with open(blob, "wb") as file:
                        file.write(damage)
                with self.assertRaises(OSError):
                    open(real, "rb").read()
            with open(blob, "wb") as file:
                file.write(right)
            self.assertEqual(harness.differences(harness.tree(daemon.path("image")), wanted), [])

    def test_a_daemon_killed_while_it_fills_the_cache_leaves_no_wrong_byte(self):
        wanted = manifest("tree")
        directory = tempfile.mkdtemp(prefix="nydusd-test-")
        for _ in range(int(os.environ.get("NYDUS_TEST_KILLS", "5"))):
            daemon = Daemon(directory=directory)
            daemon.mount("/image", image("v5-zstd-sha256-4k"), config(BLOBS, os.path.join(directory, "cache")))
            reader = subprocess.Popen(["tar", "-cf", "/dev/null", "-C", daemon.mountpoint, "."], stderr=subprocess.DEVNULL)
            time.sleep(0.1)
            daemon.stop(signal.SIGKILL)
            reader.wait(20)
            subprocess.run(["umount", "-l", daemon.mountpoint], check=False)
        with Daemon(directory=directory) as daemon:
            daemon.mount("/image", image("v5-zstd-sha256-4k"), config(BLOBS, os.path.join(directory, "cache")))
            self.assertEqual(harness.differences(harness.tree(daemon.path("image")), wanted), [])

    def test_reads_go_on_when_the_disk_of_the_cache_is_full(self):
        with Daemon() as daemon:
            work = os.path.join(daemon.directory, "full")
            os.mkdir(work)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", work], check=True)
            try:
                self.assertEqual(daemon.mount("/image", image(TREE_IMAGES[0]), config(BLOBS, work))[0], 204)
                self.assertEqual(harness.differences(harness.tree(daemon.path("image")), manifest("tree")), [])
                self.assertEqual(daemon.umount("/image")[0], 204)
            finally:
                subprocess.run(["umount", "-l", work], check=True)

    def test_a_bootstrap_cut_short_while_mounted_kills_nobody(self):
        with Daemon() as daemon:
            copy = os.path.join(daemon.directory, "boot")
            shutil.copy(image(TREE_IMAGES[0]), copy)
            settings = config(BLOBS, os.path.join(daemon.directory, "cache"))
            self.assertEqual(daemon.mount("/cut", copy, settings)[0], 204)
            self.assertEqual(daemon.mount("/whole", image(TREE_IMAGES[1]), settings)[0], 204)
            os.truncate(copy, 16384)
            subprocess.run(["find", daemon.path("cut")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            self.assertEqual(harness.differences(harness.tree(daemon.path("whole")), manifest("tree")), [])
