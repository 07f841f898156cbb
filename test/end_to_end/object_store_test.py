# SPDX-License-Identifier: Apache-2.0
"""Images whose blobs are objects of a bucket."""
import os
import shutil
import tempfile
import unittest

import harness
import random_tree
from harness import Daemon, build_image
from object_store import BUCKET, KEY_ID, REGION, SECRET, ObjectStore


class FromObjectStore(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nydusd-objects-")
        self.addCleanup(shutil.rmtree, self.folder)
        source, self.blobs = self.folder + "/source", self.folder + "/blobs"
        os.mkdir(source), os.mkdir(self.blobs)
        random_tree.grow(source, 5, 40)
        with open(source + "/large", "wb") as file:
            file.write(os.urandom(5 << 20))
        self.boot = build_image(source, self.blobs, self.folder + "/boot", "--whiteout-spec", "none", "--fs-version", "6")
        self.wanted = harness.tree(source)

    def config(self, kind, store, work_dir, **more):
        # OSS has the bucket in the host's name: *.localhost is this machine.
        host = "localhost" if kind == "oss" else "127.0.0.1"
        fields = {"scheme": "http", "endpoint": f"{host}:{store.port}", "bucket_name": BUCKET, "object_prefix": "nydus/", "access_key_id": KEY_ID,
                  "access_key_secret": SECRET, **({"region": REGION} if kind == "s3" else {}), "retry_limit": 1, **more}
        return {"device": {"backend": {"type": kind, "config": fields}, "cache": {"type": "blobcache", "config": {"work_dir": work_dir}}},
                "mode": "direct"}

    def test_every_request_is_signed_and_every_byte_right(self):
        for kind in ("s3", "oss"):
            with self.subTest(kind), ObjectStore(kind, self.blobs) as store, Daemon() as daemon:
                self.assertEqual(daemon.mount("/image", self.boot, self.config(kind, store, daemon.directory + "/cache"))[0], 204)
                found = harness.tree(daemon.path("image"))
                for path, entry in self.wanted.items():
                    if entry["mtime"] < 10**9:  # second 0 means "not known": the daemon shows its own start
                        found[path]["mtime"] = entry["mtime"]
                self.assertEqual(store.refused, [])
                self.assertEqual(harness.differences(found, self.wanted), [])
                self.assertNotIn(SECRET, str(daemon.call("GET", "/api/v1/daemon")[1]))

    def test_a_wrong_key_fails_the_readers(self):
        for kind in ("s3", "oss"):
            with self.subTest(kind), ObjectStore(kind, self.blobs) as store, Daemon() as daemon:
                settings = self.config(kind, store, daemon.directory + "/cache", access_key_secret="wrong")
                self.assertEqual(daemon.mount("/image", self.boot, settings)[0], 204)
                with self.assertRaises(OSError):
                    harness.md5_of(daemon.path("image", "large"))
                self.assertIn("are the configured credentials right", open(daemon.log).read())
