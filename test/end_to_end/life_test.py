# SPDX-License-Identifier: Apache-2.0
"""How the daemon starts and ends."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import harness
from harness import BLOBS, Daemon, TREE_IMAGES, config, image, manifest, needs_fixtures


class Life(unittest.TestCase):
    def assert_over(self, daemon):
        """It ends with 0, well within what the tests of clients allow, and leaves neither mount nor socket."""
        self.assertEqual(daemon.process.wait(5), 0)
        self.assertFalse(os.path.exists(daemon.socket))
        with open("/proc/mounts") as mounts:
            self.assertNotIn(daemon.mountpoint, mounts.read())

    def test_it_ends_with_0_when_told(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            with Daemon() as daemon:
                daemon.process.send_signal(how)
                self.assert_over(daemon)

    @needs_fixtures
    def test_it_ends_with_0_though_a_file_is_open(self):
        with Daemon() as daemon:
            self.assertEqual(daemon.mount("/m", image(TREE_IMAGES[0]), config(BLOBS))[0], 204)
            file = os.open(daemon.path("m/special/big-text"), os.O_RDONLY)
            os.pread(file, 1, 0)
            daemon.process.send_signal(signal.SIGTERM)
            self.assert_over(daemon)
            with contextlib.suppress(OSError):  # nobody is there to hear of it
                os.close(file)

    @needs_fixtures
    def test_it_ends_with_0_when_unmounted_from_outside(self):
        for options in ([], ["-l"], ["-f"]):
            with self.subTest(options), Daemon() as daemon:
                self.assertEqual(daemon.mount("/m", image(TREE_IMAGES[0]), config(BLOBS))[0], 204)
                self.assertIn("special", os.listdir(daemon.path("m")))
                subprocess.run(["umount", *options, daemon.mountpoint], check=True)
                self.assert_over(daemon)

    @needs_fixtures
    def test_unmounted_while_a_file_is_open_it_serves_that_file_and_ends_with_it(self):
        with Daemon() as daemon:
            self.assertEqual(daemon.mount("/m", image(TREE_IMAGES[0]), config(BLOBS))[0], 204)
            with open(daemon.path("m/special/big-text"), "rb") as file:
                self.assertNotEqual(subprocess.run(["umount", daemon.mountpoint], stderr=subprocess.DEVNULL).returncode, 0)
                subprocess.run(["umount", "-l", daemon.mountpoint], check=True)
                self.assertEqual(len(file.read()), manifest("tree")["special/big-text"]["size"])
                self.assertIsNone(daemon.process.poll())
            self.assert_over(daemon)

    def test_exit_over_the_api_leaves_no_process(self):
        with Daemon() as daemon:
            self.assertEqual(daemon.call("PUT", "/api/v1/daemon/exit")[0], 204)
            self.assertEqual(daemon.process.wait(5), 0)
            self.assertFalse(os.path.exists(daemon.socket))

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

    def test_a_killed_daemon_leaves_a_socket_that_the_next_one_replaces(self):
        directory = tempfile.mkdtemp(prefix="nydusd-test-")
        daemon = Daemon(directory=directory)
        daemon.stop(signal.SIGKILL)
        subprocess.run(["umount", "-l", daemon.mountpoint], check=True)
        self.assertTrue(os.path.exists(daemon.socket))
        with Daemon(directory=directory) as daemon:
            self.assertEqual(daemon.call("GET", "/api/v1/daemon")[1]["state"], "RUNNING")
