# SPDX-License-Identifier: Apache-2.0
"""Every attribute and byte of images that other builders made, over the real kernel."""
import glob
import os
import unittest

import harness
from harness import BLOBS, Daemon, FIXTURES, TREE_IMAGES, config, image, manifest, md5_of, needs_fixtures


@needs_fixtures
class FixtureTrees(unittest.TestCase):
    def check(self, daemon, name, wanted, **settings):
        status, answer = daemon.mount("/image", image(name), config(BLOBS, **settings))
        self.assertEqual(status, 204, answer)
        self.assertEqual(harness.differences(harness.tree(daemon.path("image")), wanted), [])
        self.assertEqual(daemon.umount("/image")[0], 204)
        self.assertEqual(os.listdir(daemon.mountpoint), [])

    def test_every_attribute_and_byte_is_right_with_an_empty_cache_and_with_a_full_one(self):
        for name in TREE_IMAGES + ["v5-layered-upper"]:
            wanted = manifest("layered" if "layered" in name else "tree")
            with self.subTest(name), Daemon() as daemon:
                work = os.path.join(daemon.directory, "cache")
                self.check(daemon, name, wanted, work_dir=work)
                harness.drop_page_cache()
                # From the cache alone: a backend without blobs would fail every fetch.
                empty = os.path.join(daemon.directory, "empty")
                os.mkdir(empty)
                self.assertEqual(daemon.mount("/cached", image(name), config(empty, work))[0], 204)
                self.assertEqual(harness.differences(harness.tree(daemon.path("cached")), wanted), [])

    def test_the_dummy_cache_and_the_compressed_cache_serve_the_same_bytes(self):
        with Daemon() as daemon:
            for name in TREE_IMAGES:
                with self.subTest(name):
                    self.check(daemon, name, manifest("tree"))
                    raw = os.path.join(daemon.directory, "raw")
                    for _ in range(2):
                        self.check(daemon, name, manifest("tree"), work_dir=raw, cache={"compressed": True})
                    self.check(daemon, name, manifest("tree"), work_dir=os.path.join(daemon.directory, "checked"),
                               cache={"validate": True}, digest_validate=True, mode="cached")

    def test_the_images_of_2020_and_2022_show_their_files(self):
        for year in ("rafs-v5-2020", "rafs-v5"):
            for path in glob.glob(os.path.join(FIXTURES, year, "*repeatable")):
                with self.subTest(path), Daemon() as daemon:
                    settings = config(os.path.join(FIXTURES, "blobs"), os.path.join(daemon.directory, "cache"))
                    self.assertEqual(daemon.mount("/old", path, settings)[0], 204)
                    result = open(path + ".result").read()
                    sums = {md5_of(os.path.join(folder, file))
                            for folder, _, files in os.walk(daemon.path("old")) for file in files
                            if os.path.isfile(os.path.join(folder, file)) and not os.path.islink(os.path.join(folder, file))}
                    self.assertGreater(len(sums), 10)
                    for one in sums:
                        self.assertIn(one, result)
