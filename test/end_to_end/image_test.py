# SPDX-License-Identifier: Apache-2.0
"""Every attribute and byte of images that other builders made, over the real kernel."""
import glob
import json
import os
import stat
import tempfile
import unittest

import harness
from harness import BLOBS, Daemon, FIXTURES, TREE_IMAGES, TREE_IMAGES_V6, build_image, config, image, manifest, md5_of, needs_fixtures


def recorded(path):
    """Names with their kinds and link targets, and the MD5 sums of files, from a .result: a tree as JSON, then sums."""
    with open(path) as file:
        text = file.read()
    listed, end = json.JSONDecoder().raw_decode(text)
    names = {}

    def collect(entry, above):
        for inner in entry["contents"]:
            name = os.path.join(above, inner["name"])
            names[name] = (inner["type"], inner.get("target"))
            if inner["type"] == "directory":
                collect(inner, name)
    collect(listed[0], "")
    return names, {name[1:]: digest for digest, name in map(str.split, text[end:].split("\n")[1:-1])}


def shown_names(root):
    """The same of a mount."""
    names = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            target = os.readlink(path) if os.path.islink(path) else None
            kind = "link" if target else "directory" if os.path.isdir(path) else "file"
            names[os.path.relpath(path, root)] = (kind, target)
    return names


@needs_fixtures
class FixtureTrees(unittest.TestCase):
    def check(self, daemon, name, wanted, **settings):
        status, answer = daemon.mount("/image", image(name), config(BLOBS, **settings))
        self.assertEqual(status, 204, answer)
        self.assertEqual(harness.differences(harness.tree(daemon.path("image")), wanted), [])
        self.assertEqual(daemon.umount("/image")[0], 204)
        self.assertEqual(os.listdir(daemon.mountpoint), [])

    def test_every_attribute_and_byte_is_right_with_an_empty_cache_and_with_a_full_one(self):
        for name in TREE_IMAGES + TREE_IMAGES_V6 + ["v5-layered-upper", "v6-layered-upper"]:
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
            for name in TREE_IMAGES + TREE_IMAGES_V6:
                with self.subTest(name):
                    self.check(daemon, name, manifest("tree"))
                    raw = os.path.join(daemon.directory, "raw")
                    for _ in range(2):
                        self.check(daemon, name, manifest("tree"), work_dir=raw, cache={"compressed": True})
                    self.check(daemon, name, manifest("tree"), work_dir=os.path.join(daemon.directory, "checked"),
                               cache={"validate": True}, digest_validate=True, mode="cached")

    def test_the_images_of_2020_and_2022_show_exactly_what_was_recorded_cold_and_from_the_cache(self):
        for year in ("rafs-v5-2020", "rafs-v5"):
            for path in glob.glob(os.path.join(FIXTURES, year, "*repeatable")):
                names, sums = recorded(path + ".result")
                for cache in ("blobcache", "compressed", "none"):
                    with self.subTest(path, cache=cache), Daemon() as daemon:
                        work = None if cache == "none" else os.path.join(daemon.directory, "cache")
                        settings = config(os.path.join(FIXTURES, "blobs"), work, cache={"compressed": cache == "compressed"})
                        for _ in range(2):
                            self.assertEqual(daemon.mount("/old", path, settings)[0], 204)
                            self.assertEqual(shown_names(daemon.path("old")), names)
                            self.assertEqual({name: md5_of(daemon.path("old", name)) for name in sums}, sums)
                            self.assertEqual(daemon.umount("/old")[0], 204)
                            harness.drop_page_cache()

    def test_layers_that_were_merged_show_what_tar_files_can_carry(self):
        with Daemon() as daemon:
            wanted = {path: entry for path, entry in manifest("layered").items() if not stat.S_ISSOCK(int(entry["mode"], 0))}
            for entry in wanted.values():
                entry["mtime"] -= entry["mtime"] % 10**9
                entry.pop("xattr", None)
            self.check(daemon, "v6-merged", wanted, work_dir=os.path.join(daemon.directory, "cache"))

    def test_ways_to_store_chunks_that_are_not_read_are_refused_by_name(self):
        with Daemon() as daemon:
            for name, word in (("v6-zstd-batch", "BATCH"), ("v6-zstd-encrypt", "ENCRYPTED"), ("v6-targz-ref", "ZRAN")):
                status, why = daemon.mount("/refused", image(name), config(BLOBS))
                self.assertEqual(status, 501)
                self.assertIn(word, why["message"])

    def test_the_layout_from_before_the_first_release_is_refused_by_name(self):
        with Daemon() as daemon:
            status, why = daemon.mount("/alpha", os.path.join(FIXTURES, "rafs-v5-2020/alpha_bootstrap"), config(BLOBS))
            self.assertEqual(status, 500)
            self.assertIn("unreleased version", why["message"])


class ChunkSizes(unittest.TestCase):
    def test_every_chunk_size_from_4_kib_to_16_mib_is_read_right(self):
        with tempfile.TemporaryDirectory() as folder, Daemon() as daemon:
            source, blobs = folder + "/source", folder + "/blobs"
            os.mkdir(source), os.mkdir(blobs)
            noise = os.urandom(1 << 20)
            for name, size in (("big", (17 << 20) + 5), ("one", 1), ("page", 4096), ("mebibyte", 1 << 20)):
                with open(f"{source}/{name}", "wb") as file:
                    while file.tell() < size:  # half of it can be compressed, no two parts are alike
                        number = file.tell().to_bytes(8, "little")
                        file.write((number + noise[:150000] + number * 20000)[:size - file.tell()])
            wanted = harness.tree(source)
            for power in range(12, 25):
                options = ["--chunk-size", hex(1 << power), "--compressor", ("zstd", "lz4_block", "none")[power % 3]]
                for more in ([], ["--aligned-chunk"]) if power % 4 == 0 else ([],):
                    with self.subTest(options + more):
                        boot = build_image(source, blobs, f"{folder}/boot-{power}", *options, *more)
                        settings = config(blobs, daemon.directory + "/cache")
                        for _ in range(2):
                            self.assertEqual(daemon.mount("/sized", boot, settings)[0], 204)
                            self.assertEqual(harness.differences(harness.tree(daemon.path("sized")), wanted), [])
                            self.assertEqual(daemon.umount("/sized")[0], 204)
