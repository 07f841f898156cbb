# SPDX-License-Identifier: Apache-2.0
"""Images of our own nydus-image, mounted: each is its source."""
import json
import os
import subprocess
import time

import harness
import random_tree
from builder_folder import Folder, create, read
from harness import NYDUS_IMAGE, Daemon, config
from layers import lay_over


class Built(Folder):
    def test_a_mounted_image_is_its_source_whatever_it_was_built_with(self):
        random_tree.grow(self.source, 1, 120)
        wanted = harness.tree(self.source)
        with Daemon() as daemon:
            for options in (["--compressor", "none"], ["--compressor", "lz4_block", "--digester", "sha256"], ["--compressor", "zstd"],
                            ["--chunk-size", "0x1000"], ["--chunk-size", "0x1000000", "--aligned-chunk"],
                            *(["--fs-version", "6", *more] for more in (
                                ["--compressor", "none"], ["--compressor", "lz4_block", "--digester", "sha256"], ["--chunk-size", "0x1000"],
                                ["--chunk-size", "0x1000000"]))):
                with self.subTest(options):
                    self.create("--whiteout-spec", "none", *options)
                    checked = subprocess.run([NYDUS_IMAGE, "check", "--bootstrap", self.boot, "--blob-dir", self.blobs], capture_output=True)
                    self.assertEqual(checked.returncode, 0, checked.stderr)
                    self.assert_shows(daemon, self.boot, wanted)

    def test_an_image_of_one_layer_over_another_shows_both(self):
        for seed, version in ((0, "5"), (1, "5"), (2, "6"), (3, "6")):
            for spec in ("oci", "overlayfs"):
                with self.subTest(spec=spec, seed=seed), Daemon() as daemon:
                    lower, upper, both = (os.path.join(self.folder, f"{name}-{spec}-{seed}") for name in ("lower", "upper", "both"))
                    os.mkdir(lower), os.mkdir(upper)
                    random_tree.grow(lower, seed, 80)
                    random_tree.grow(upper, seed + 100, 60, whiteouts=spec)
                    subprocess.run(["cp", "-a", lower, both], check=True)
                    lay_over(both, upper, spec)
                    self.create("--fs-version", version, "--whiteout-spec", "none", source=lower)
                    self.create("--fs-version", version, "--whiteout-spec", spec, "--parent-bootstrap", self.boot, source=upper,
                                boot=self.boot + "-upper")
                    wanted = harness.tree(both)
                    self.assertEqual(daemon.mount("/both", self.boot + "-upper", config(self.blobs))[0], 204)
                    found = harness.tree(daemon.path("both"))
                    for entry in list(wanted.values()) + list(found.values()):
                        entry.pop("nlink", None)  # links never join across layers
                    self.assert_same_tree(found, wanted)

    def test_a_directory_of_many_entries_is_listed_whole(self):
        names = {f"{number:06}" for number in range(int(os.environ.get("NYDUS_TEST_ENTRIES", "100000")))}
        for name in names:
            os.mknod(os.path.join(self.source, name))
        for version in ("5", "6"):
            with self.subTest(version), Daemon() as daemon:
                self.create("--fs-version", version)
                self.assertEqual(daemon.mount("/many", self.boot, config(self.blobs))[0], 204)
                self.assertEqual(set(os.listdir(daemon.path("many"))), names)
                self.assertFalse(os.path.exists(daemon.path("many", "1000000")))

    def test_prefetch_fetches_what_the_image_names_before_anyone_reads(self):
        os.mkdir(self.source + "/deep")
        for name in ("deep/big", "other"):
            with open(os.path.join(self.source, name), "wb") as file:
                file.write(os.urandom(3 << 20))
        for version in ("5", "6"):
            with self.subTest(version), Daemon() as daemon:
                self.create("--fs-version", version, "--prefetch-policy", "fs", input=b"/deep\n")
                settings = config(self.blobs, daemon.directory + "/cache", fs_prefetch={"enable": True, "prefetch_all": False})
                self.assertEqual(daemon.mount("/ahead", self.boot, settings)[0], 204)
                for _ in range(100):
                    metrics = daemon.call("GET", "/api/v1/metrics/blobcache?id=%2Fahead")[1]
                    if metrics["prefetch_end_time_secs"]:
                        break
                    time.sleep(0.05)
                self.assertGreaterEqual(metrics["prefetch_data_amount"], 3 << 20)

    def test_a_blob_written_to_a_fifo_and_one_with_its_bootstrap_inside_are_mounted(self):
        random_tree.grow(self.source, 2)
        wanted = harness.tree(self.source)
        fifo = os.path.join(self.folder, "fifo")
        os.mkfifo(fifo)
        for inside, version in ((False, "5"), (True, "5"), (False, "6"), (True, "6")):
            with self.subTest(inside=inside, version=version), Daemon() as daemon, open(os.path.join(self.folder, "got"), "wb") as got:
                reader = subprocess.Popen(["cat", fifo], stdout=got)
                report = os.path.join(self.folder, "report")
                built = create("--fs-version", version, "--whiteout-spec", "none", "--blob", fifo, "--output-json", report,
                               *(["--inline-bootstrap"] if inside else ["--bootstrap", self.boot]), self.source)
                self.assertEqual(built.returncode, 0, built.stderr)
                self.assertEqual(reader.wait(10), 0)
                blob = os.path.join(self.blobs, json.loads(read(report))["blobs"][0])
                os.rename(got.name, blob)
                self.assert_shows(daemon, blob if inside else self.boot, wanted)
