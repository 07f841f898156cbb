# SPDX-License-Identifier: Apache-2.0
"""Caches that are damaged, full or shared: never a wrong byte."""
import concurrent.futures
import glob
import os
import shutil
import subprocess
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

    def test_two_daemons_fill_one_cache_at_once_and_both_show_every_byte(self):
        wanted = manifest("tree")
        for compressed in (False, True):
            with self.subTest(compressed=compressed), Daemon() as one, Daemon() as other:
                settings = config(BLOBS, one.directory + "/cache", cache={"compressed": compressed})
                for daemon in (one, other):
                    self.assertEqual(daemon.mount("/image", image("v5-zstd-sha256-4k"), settings)[0], 204)
                with concurrent.futures.ThreadPoolExecutor(2) as pool:
                    found = list(pool.map(lambda daemon: harness.tree(daemon.path("image")), (one, other)))
                for tree in found:
                    self.assertEqual(harness.differences(tree, wanted), [])
                # What one of them fetched the other did not need to fetch again, and a third needs no backend.
                with Daemon() as third:
                    nothing = config("/var/empty", one.directory + "/cache", cache={"compressed": compressed})
                    self.assertEqual(third.mount("/image", image("v5-zstd-sha256-4k"), nothing)[0], 204)
                    self.assertEqual(harness.differences(harness.tree(third.path("image")), wanted), [])

    def test_mounts_and_readers_that_ask_for_one_chunk_at_once_fetch_it_once(self):
        with Daemon() as daemon:
            settings = config(BLOBS, daemon.directory + "/cache")
            names = [f"m{number}" for number in range(8)]
            for name in names:
                self.assertEqual(daemon.mount("/" + name, image(TREE_IMAGES[0]), settings)[0], 204)
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                found = list(pool.map(lambda name: harness.tree(daemon.path(name)), names))
            for tree in found:
                self.assertEqual(harness.differences(tree, manifest("tree")), [])
            read = daemon.call("GET", "/api/v1/metrics/backend?id=/m0")[1]["read_amount_total"]
            self.assertLessEqual(read, os.path.getsize(glob.glob(BLOBS + "/e0b9f6be*")[0]))

    def test_reads_go_on_when_the_disk_of_the_cache_is_full(self):
        for size in ("4k", "64k", "1m"):  # no room for the chunk map, for a few chunks, for some
            with self.subTest(size), Daemon() as daemon:
                work = os.path.join(daemon.directory, "full")
                os.mkdir(work)
                subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", work], check=True)
                try:
                    self.assertEqual(daemon.mount("/image", image(TREE_IMAGES[0]), config(BLOBS, work))[0], 204)
                    self.assertEqual(harness.differences(harness.tree(daemon.path("image")), manifest("tree")), [])
                    self.assertIn("No space left", str(daemon.call("GET", "/api/v1/daemon/events")[1]["errors"]))
                    # What cannot be kept is not fetched ahead again and again.
                    read = daemon.call("GET", "/api/v1/metrics/backend?id=/image")[1]["read_amount_total"]
                    self.assertLess(read, 4 * os.path.getsize(glob.glob(BLOBS + "/e0b9f6be*")[0]))
                    # Once there is room what is read is kept, too, without a new mount unless the chunk map itself had none.
                    subprocess.run(["mount", "-o", "remount,size=64m", work], check=True)
                    harness.drop_page_cache()
                    self.assertEqual(harness.differences(harness.tree(daemon.path("image")), manifest("tree")), [])
                    kept = sum(os.stat(path).st_blocks for path in glob.glob(work + "/*.data")) * 512
                    self.assertGreater(kept, 1 << 20) if size != "4k" else None
                    self.assertEqual(daemon.umount("/image")[0], 204)
                    self.assertEqual(daemon.mount("/image", image(TREE_IMAGES[0]), config(BLOBS, work))[0], 204)
                    self.assertEqual(harness.differences(harness.tree(daemon.path("image")), manifest("tree")), [])
                    self.assertEqual(daemon.umount("/image")[0], 204)
                finally:
                    subprocess.run(["umount", "-l", work], check=True)

    def test_a_cache_that_was_tampered_with_is_found_out_where_it_is_checked(self):
        with Daemon() as daemon:
            work = daemon.directory + "/cache"
            settings = config(BLOBS, work)
            self.assertEqual(daemon.mount("/image", image(TREE_IMAGES[0]), settings)[0], 204)
            self.assertEqual(harness.differences(harness.tree(daemon.path("image")), manifest("tree")), [])
            self.assertEqual(daemon.umount("/image")[0], 204)
            for path in glob.glob(work + "/*.blob.data"):
                with open(path, "r+b") as file:
                    file.write(b"tampered with" * 10000)
            checked = config(BLOBS, work, cache={"validate": True}, digest_validate=True)
            self.assertEqual(daemon.mount("/image", image(TREE_IMAGES[0]), checked)[0], 204)
            self.assertEqual(harness.differences(harness.tree(daemon.path("image")), manifest("tree")), [])

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
