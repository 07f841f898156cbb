# SPDX-License-Identifier: Apache-2.0
"""Pseudo-mounts come and go over the API: what the kernel shows, and that nothing stale is left."""
import json
import os
import unittest

import harness
from harness import BLOBS, Daemon, TREE_IMAGES, config, image, manifest, needs_fixtures


@needs_fixtures
class PseudoMounts(unittest.TestCase):
    def test_mounts_appear_and_vanish_at_once_under_one_name(self):
        first, second = manifest("tree"), manifest("layered")
        cycles = int(os.environ.get("NYDUS_TEST_CYCLES", "100"))
        with Daemon() as daemon:
            work = os.path.join(daemon.directory, "cache")
            descriptors = []
            for cycle in range(cycles):
                name, wanted = ((TREE_IMAGES[0], first), ("v5-layered-upper", second))[cycle % 2]
                self.assertEqual(daemon.mount("/a/b/c", image(name), config(BLOBS, work))[0], 204)
                self.assertEqual({n for n in map(os.fsdecode, os.listdir(daemon.path("a/b/c")))},
                                 {os.fsdecode(p.encode("latin-1")) for p in wanted if "/" not in p})
                self.assertEqual(daemon.umount("/a/b/c")[0], 204)
                with self.assertRaises(FileNotFoundError):
                    os.stat(daemon.path("a/b/c"))
                self.assertEqual(os.listdir(daemon.mountpoint), [])
                descriptors.append(len(os.listdir(f"/proc/{daemon.process.pid}/fd")))
            self.assertLessEqual(descriptors[-1], descriptors[4] + 8)

    def test_a_remount_replaces_the_image_and_odd_requests_are_refused(self):
        with Daemon() as daemon:
            settings = config(BLOBS, os.path.join(daemon.directory, "cache"))
            self.assertEqual(daemon.mount("/x", image(TREE_IMAGES[0]), settings)[0], 204)
            self.assertEqual(daemon.mount("/x", image(TREE_IMAGES[0]), settings)[0], 204)  # the very same again
            self.assertEqual(daemon.mount("/x", image(TREE_IMAGES[1]), settings)[0], 500)
            self.assertEqual(daemon.mount("/x", image("v5-layered-upper"), settings, method="PUT")[0], 204)
            self.assertEqual(harness.differences(harness.tree(daemon.path("x")), manifest("layered")), [])
            for mountpoint, status in (("rel", 500), ("/../up", 500), ("/x/inside", 500)):
                self.assertEqual(daemon.mount(mountpoint, image(TREE_IMAGES[0]), settings)[0], status, mountpoint)
            self.assertEqual(daemon.mount("/y", "/no/such", settings)[0], 500)
            self.assertEqual(daemon.mount("/y", image("v6-zstd"), settings)[0], 501)
            self.assertEqual(daemon.umount("/nope")[0], 500)

    def test_the_oldest_form_of_mount_is_understood(self):
        with Daemon() as daemon:
            path = os.path.join(daemon.directory, "config.json")
            with open(path, "w") as file:
                json.dump({"device_config": config(BLOBS)["device"]}, file)
            body = {"source": image(TREE_IMAGES[0]), "fstype": "rafs", "mountpoint": "pseudo_1", "config": path}
            self.assertEqual(daemon.call("PUT", "/api/v1/mount", body)[0], 204)
            self.assertEqual(harness.differences(harness.tree(daemon.path("pseudo_1")), manifest("tree")), [])
            self.assertEqual(daemon.call("PUT", "/api/v1/mount", {"mountpoint": "pseudo_1", "ops": "umount"})[0], 204)
