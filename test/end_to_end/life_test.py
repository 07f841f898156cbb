# SPDX-License-Identifier: Apache-2.0
"""How the daemon starts and ends, and many clients at once."""
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import harness
from harness import BLOBS, Daemon, TREE_IMAGES, image, manifest, needs_fixtures


class Life(unittest.TestCase):
    def test_it_ends_with_0_when_told_and_when_unmounted_from_outside(self):
        with Daemon() as daemon:
            began = time.monotonic()
            self.assertEqual(daemon.stop(signal.SIGTERM), 0)
            self.assertLess(time.monotonic() - began, 1)
            self.assertFalse(os.path.exists(daemon.socket))
        with Daemon() as daemon:
            subprocess.run(["umount", daemon.mountpoint], check=True)
            self.assertEqual(daemon.process.wait(1), 0)

    def test_exit_over_the_api_leaves_no_process(self):
        with Daemon() as daemon:
            self.assertEqual(daemon.call("PUT", "/api/v1/daemon/exit")[0], 204)
            self.assertEqual(daemon.process.wait(2), 0)

    @needs_fixtures
    def test_an_image_given_at_start_is_the_root_and_a_bad_one_ends_the_daemon(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(BLOBS, folder, dirs_exist_ok=True)
            with Daemon("--bootstrap", image(TREE_IMAGES[0]), "--localfs-dir", folder) as daemon:
                self.assertEqual(harness.differences(harness.tree(daemon.mountpoint), manifest("tree")), [])
            with Daemon("fuse", "--metadata", image(TREE_IMAGES[0]), "--localfs-dir", folder, "--virtual-mountpoint", "/v") as daemon:
                self.assertEqual(os.listdir(daemon.mountpoint), ["v"])
            with self.assertRaisesRegex(AssertionError, "Error: "):
                Daemon("--bootstrap", "/no/such", "--localfs-dir", folder)
