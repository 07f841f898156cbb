# SPDX-License-Identifier: Apache-2.0
"""Backends and disks that hang: who waits for them can leave, everybody else goes on, and the daemon ends when told."""
import contextlib
import http.client
import os
import signal
import subprocess
import threading
import unittest

import harness
from harness import BLOBS, MADE, Daemon, TREE_IMAGES, config, image, manifest, needs_fixtures
from hung_backend import HungBackend, needs_bindfs


@needs_fixtures
@needs_bindfs
class Hanging(unittest.TestCase):
    def setUp(self):
        self.disk = HungBackend(MADE)
        self.addCleanup(self.disk.__exit__)
        self.slow_blobs = os.path.join(self.disk.path, "blobs")
        self.slow_image = os.path.join(self.disk.path, TREE_IMAGES[1] + ".boot")

    def read_by_another(self, path):
        return subprocess.Popen(["cat", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def mount_or_be_left(self, daemon):
        with contextlib.suppress(OSError, http.client.HTTPException):
            daemon.mount("/x", self.slow_image, config(BLOBS))

    def test_a_backend_that_hangs_costs_its_own_readers_alone_and_they_can_be_killed(self):
        with Daemon() as daemon:
            self.assertEqual(daemon.mount("/slow", image(TREE_IMAGES[0]), config(self.slow_blobs, daemon.directory + "/slow"))[0], 204)
            self.assertEqual(daemon.mount("/fast", image(TREE_IMAGES[0]), config(BLOBS, daemon.directory + "/fast"))[0], 204)
            self.disk.hang()
            text = daemon.path("slow/special/big-text")
            readers = [self.read_by_another(text) for _ in range(6)]
            harness.until(lambda: daemon.call("GET", "/api/v1/metrics/inflight")[0] == 200)
            waiting, = {(entry["opcode"], entry["inode"]) for entry in daemon.call("GET", "/api/v1/metrics/inflight")[1]}
            self.assertEqual(waiting, (15, os.stat(text).st_ino))
            for reader in readers[:2]:
                reader.kill()
                self.assertEqual(reader.wait(5), -signal.SIGKILL)
            self.assertEqual(harness.differences(harness.tree(daemon.path("fast")), manifest("tree")), [])
            self.assertEqual(len(os.listdir(daemon.path("slow"))), len(os.listdir(daemon.path("fast"))))
            # Who waits is told when its mount goes.
            self.assertEqual(daemon.umount("/slow")[0], 204)
            for reader in readers[2:]:
                self.assertEqual(reader.wait(5), 1)
            self.disk.go_on()
            self.assertEqual(daemon.mount("/slow", image(TREE_IMAGES[0]), config(self.slow_blobs, daemon.directory + "/slow"))[0], 204)
            self.assertEqual(harness.differences(harness.tree(daemon.path("slow")), manifest("tree")), [])

    def test_readers_get_their_bytes_when_the_backend_goes_on(self):
        with Daemon() as daemon:
            self.assertEqual(daemon.mount("/slow", image(TREE_IMAGES[1]), config(self.slow_blobs, daemon.directory + "/slow"))[0], 204)
            self.disk.hang()
            readers = [self.read_by_another(daemon.path("slow/special/big-text")) for _ in range(4)]
            harness.until(lambda: daemon.call("GET", "/api/v1/metrics/inflight")[0] == 200)
            readers[0].kill()
            readers[0].wait(5)
            self.disk.go_on()
            for reader in readers[1:]:
                self.assertEqual(reader.wait(10), 0)
            self.assertEqual(harness.differences(harness.tree(daemon.path("slow")), manifest("tree")), [])

    def test_images_that_hang_while_they_are_opened_hold_up_no_other_call(self):
        with Daemon() as daemon:
            self.disk.hang()
            answers = []

            def mount(number):
                answers.append(daemon.mount(f"/s{number}", self.slow_image, config(BLOBS))[0])
            threads = [threading.Thread(target=mount, args=(number,)) for number in range(20)]
            for thread in threads:
                thread.start()
            self.assertEqual(daemon.mount("/fast", image(TREE_IMAGES[0]), config(BLOBS, daemon.directory + "/fast"))[0], 204)
            self.assertEqual(harness.differences(harness.tree(daemon.path("fast")), manifest("tree")), [])
            self.assertEqual(daemon.umount("/s3")[0], 500)
            self.assertEqual(daemon.umount("/fast")[0], 204)
            self.assertEqual(answers, [])
            self.disk.go_on()
            for thread in threads:
                thread.join()
            self.assertEqual(set(answers), {204})
            self.assertEqual(len(os.listdir(daemon.mountpoint)), 20)

    def test_it_ends_though_a_backend_and_an_image_hang(self):
        for how in ("SIGTERM", "SIGINT", "umount", "exit"):
            with self.subTest(how), Daemon() as daemon:
                self.assertEqual(daemon.mount("/slow", image(TREE_IMAGES[0]), config(self.slow_blobs))[0], 204)
                self.disk.hang()
                reader = self.read_by_another(daemon.path("slow/special/big-text"))
                harness.until(lambda: daemon.call("GET", "/api/v1/metrics/inflight")[0] == 200)
                thread = threading.Thread(target=self.mount_or_be_left, args=(daemon,))
                thread.start()
                if how == "umount":
                    reader.kill()
                    reader.wait(5)
                    subprocess.run(["umount", "-l", daemon.mountpoint], check=True)
                elif how == "exit":
                    self.assertEqual(daemon.call("PUT", "/api/v1/daemon/exit")[0], 204)
                else:
                    daemon.process.send_signal(getattr(signal, how))
                self.assertEqual(daemon.process.wait(5), 0)
                self.disk.go_on()
                reader.wait(5)
                thread.join()
