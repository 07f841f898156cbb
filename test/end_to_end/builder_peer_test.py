# SPDX-License-Identifier: Apache-2.0
"""nydus-image against the public one, byte for byte: by the fixtures that it made, and where NYDUS_IMAGE_PEER names its binary by
images of NYDUS_TEST_TREES random trees from seed NYDUS_TEST_SEED on."""
import glob
import os
import random
import shutil
import subprocess
import unittest

import bootstrap
import random_tree
from builder_folder import Folder, create, read
from harness import BLOBS, FIXTURES, MADE, NYDUS_IMAGE, TREE_IMAGES, TREE_IMAGES_V6, Daemon, config, image, manifest, needs_fixtures

PEER = os.environ.get("NYDUS_IMAGE_PEER", "")
TREES = int(os.environ.get("NYDUS_TEST_TREES", "20"))


@needs_fixtures
class FixtureImages(Folder):
    OPTIONS = {"v5-lz4_block-blake3": ["--compressor", "lz4_block"],
               "v5-zstd-sha256-4k": ["--compressor", "zstd", "--digester", "sha256", "--chunk-size", "0x1000"],
               "v5-none-aligned-prefetch": ["--compressor", "none", "--aligned-chunk", "--prefetch-policy", "fs"],
               "v6-zstd": ["--compressor", "zstd"],
               "v6-none": ["--compressor", "none"],
               "v6-lz4_block-sha256-64k": ["--compressor", "lz4_block", "--digester", "sha256", "--chunk-size", "0x10000"]}

    def test_the_tree_of_the_fixtures_gives_the_image_that_the_public_builder_made_of_it(self):
        source = os.path.join(self.folder, "copy")
        with Daemon() as daemon:
            self.assertEqual(daemon.mount("/x", image("v5-none-aligned-prefetch"), config(BLOBS))[0], 204)
            subprocess.run(["cp", "-a", daemon.path("x"), source], check=True)
            for name in TREE_IMAGES:
                with self.subTest(name):
                    self.create("--whiteout-spec", "none", *self.OPTIONS[name], source=source, input=b"/special/big-text\n")
                    theirs, ours = read(image(name)), read(self.boot)
                    is_raw = "none" in name
                    self.assertEqual("none", bootstrap.first_difference(bootstrap.normalized(ours, not is_raw),
                                                                        bootstrap.normalized(theirs, not is_raw)))
                    if is_raw:
                        self.assertEqual(bootstrap.blob_ids(ours), bootstrap.blob_ids(theirs))
                    self.assert_shows(daemon, self.boot, manifest("tree"))
            for name in TREE_IMAGES_V6:
                with self.subTest(name):
                    self.create("--fs-version", "6", "--whiteout-spec", "none", *self.OPTIONS[name], source=source)
                    self.assert_differs_in_the_order_of_attributes_alone(read(self.boot), read(image(name)))
                    self.assert_shows(daemon, self.boot, manifest("tree"))

    def assert_differs_in_the_order_of_attributes_alone(self, ours, theirs):
        """RAFS v6 leaves the order of a file's attributes open; the tree has one file with more than one, of 2 KiB."""
        self.assertEqual(len(ours), len(theirs))
        other = [place for place in range(len(ours)) if ours[place] != theirs[place]]
        first, last = other[0], other[-1] + 1
        self.assertLess(last - first, 2048)
        self.assertEqual(sorted(ours[first:last]), sorted(theirs[first:last]))

    def test_every_fixture_of_a_native_image_passes_the_check(self):
        for path in (glob.glob(os.path.join(MADE, "v5-*.boot")) + glob.glob(os.path.join(FIXTURES, "rafs-v5*", "*repeatable")) +
                     [image(name) for name in [*TREE_IMAGES_V6, "v6-layered-upper", "v6-merged"]]):
            with self.subTest(path):
                checked = subprocess.run([NYDUS_IMAGE, "check", "-B", path], capture_output=True)
                self.assertEqual(checked.returncode, 0, checked.stderr)
                self.assertIn(b"RAFS filesystem metadata is valid", checked.stdout)


@unittest.skipUnless(PEER, "NYDUS_IMAGE_PEER names no public nydus-image to compare with")
class PeerImages(Folder):
    def both(self, options, source, **more):
        """Builds with both programs; their bootstraps and blob directories."""
        made = []
        for name, program in (("ours", NYDUS_IMAGE), ("theirs", PEER)):
            blobs, boot = os.path.join(self.folder, name), os.path.join(self.folder, name + ".boot")
            os.makedirs(blobs, exist_ok=True)
            options_here = [word.replace("{name}", name).replace("{folder}", self.folder) for word in options]
            where = [] if "--blob-inline-meta" in options else ["--bootstrap", boot]
            built = create(*options_here, "--blob-dir", blobs, *where, source, program=program, **more)
            self.assertEqual(built.returncode, 0, (name, built.stderr[-1000:]))
            made.append((boot, blobs))
        return made

    def assert_same(self, what, ours, theirs):
        ours, theirs = read(ours), read(theirs)
        is_raw = bootstrap.blob_ids(ours) == bootstrap.blob_ids(theirs)
        difference = bootstrap.first_difference(bootstrap.normalized(ours, not is_raw), bootstrap.normalized(theirs, not is_raw))
        self.assertEqual("none", difference, what)
        return is_raw

    def test_images_of_random_trees_are_the_same_byte_for_byte(self):
        first = int(os.environ.get("NYDUS_TEST_SEED", "0"))
        same_blobs = 0
        for seed in range(first, first + TREES):
            dice = random.Random(seed)
            shutil.rmtree(self.source)
            os.mkdir(self.source)
            random_tree.grow(self.source, seed, dice.choice([0, 1, 30, 100]))
            compressor = dice.choice(["none", "none", "lz4_block", "zstd"])
            common = ["--compressor", compressor, "--digester", dice.choice(["blake3", "sha256"]),
                      "--chunk-size", dice.choice(["0x1000", "0x10000", "0x100000", "0x1000000"])]
            common += dice.choice([[], [], ["--repeatable"]]) + dice.choice([[], ["--aligned-chunk"]])
            spec = dice.choice(["oci", "overlayfs", "none"])
            policy = dice.choice(["none", "fs", "blob"])
            options = [*common, "--whiteout-spec", spec, "--prefetch-policy", policy]
            if dice.random() < 0.2:
                options += ["--blob-id", "ab" * 32]  # the public builder layers over no other length
            paths = "\n".join(random_tree.some_paths(self.source, seed)).encode()
            with self.subTest(seed=seed, options=options, paths=paths):
                (ours, _), (theirs, _) = self.both(options, self.source, input=paths)
                is_same = self.assert_same(options, ours, theirs)
                self.assertTrue(is_same or compressor != "none")
                same_blobs += is_same
                if dice.random() < 0.6:  # a second layer over it
                    upper = os.path.join(self.folder, f"upper-{seed}")
                    os.mkdir(upper)
                    spec = dice.choice(["oci", "overlayfs", "none"])
                    random_tree.grow(upper, seed + 1000 if dice.random() < 0.5 else seed, 50, whiteouts=spec)
                    options = [*common, "--whiteout-spec", spec, "--parent-bootstrap", "{folder}/{name}.parent", "--prefetch-policy", policy]
                    for boot in (ours, theirs):
                        os.rename(boot, boot[:-5] + ".parent")
                    (ours, _), (theirs, _) = self.both(options, upper, input=paths)
                    self.assert_same(options, ours, theirs)
                    shutil.rmtree(upper)
                elif dice.random() < 0.5:  # an image that refers to it
                    for boot in (ours, theirs):
                        os.rename(boot, boot[:-5] + ".dictionary")
                    random_tree.grow(self.source, seed + 5000, 20)
                    options = [*common, "--chunk-dict", "bootstrap={folder}/{name}.dictionary"]
                    (ours, _), (theirs, _) = self.both(options, self.source)
                    self.assert_same(options, ours, theirs)
        print(f"{same_blobs} of {TREES} first layers have the same blob too", end=" ", flush=True)

    def test_a_blob_with_its_bootstrap_inside_is_the_same(self):
        random_tree.grow(self.source, 3, 60)
        for folder, names, others in os.walk(self.source):  # the order of attributes is the public builder's chance
            for path in [self.source] + [os.path.join(folder, name) for name in names + others]:
                for attribute in os.listxattr(path, follow_symlinks=False)[1:]:
                    os.removexattr(path, attribute, follow_symlinks=False)
        (_, ours), (_, theirs) = self.both(["--compressor", "none", "--blob-inline-meta"], self.source)
        self.assertEqual(os.listdir(ours), os.listdir(theirs))

    def test_each_program_accepts_the_others_images(self):
        random_tree.grow(self.source, 4, 60)
        (ours, _), (theirs, _) = self.both(["--compressor", "zstd"], self.source)
        for program, boot in ((NYDUS_IMAGE, theirs), (PEER, ours)):
            checked = subprocess.run([program, "check", "--bootstrap", boot], capture_output=True)
            self.assertEqual(checked.returncode, 0, checked.stderr)
