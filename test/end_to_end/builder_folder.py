# SPDX-License-Identifier: Apache-2.0
"""What the tests of nydus-image share: a folder for each, calls of the program, and the comparison of mount and source."""
import os
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import NYDUS_IMAGE, config


def read(path):
    with open(path, "rb") as file:
        return file.read()


def create(*options, program=NYDUS_IMAGE, **more):
    """Runs `nydus-image create`; in RAFS v5, if the options say nothing else."""
    version = [] if "--fs-version" in options else ["--fs-version", "5"]
    return subprocess.run([program, "create", "--log-level", "warn", *version, *options], capture_output=True, check=False, timeout=300,
                          **{"stdin": subprocess.DEVNULL} | ({} if "input" not in more else {"stdin": None}) | more)


class Folder(unittest.TestCase):
    """A folder with source/ and blobs/ for each test."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nydus-image-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.source, self.blobs, self.boot = (os.path.join(self.folder, name) for name in ("source", "blobs", "boot"))
        os.mkdir(self.source), os.mkdir(self.blobs)

    def create(self, *options, source=None, boot=None, **more):
        built = create(*options, "--blob-dir", self.blobs, "--bootstrap", boot or self.boot, source or self.source, **more)
        self.assertEqual(built.returncode, 0, built.stderr)
        return built

    def assert_shows(self, daemon, boot, wanted):
        self.assertEqual(daemon.mount("/built", boot, config(self.blobs, os.path.join(daemon.directory, "cache")))[0], 204)
        self.assert_same_tree(harness.tree(daemon.path("built")), wanted)
        self.assertEqual(daemon.umount("/built")[0], 204)

    def assert_same_tree(self, found, wanted):
        for path, entry in wanted.items():
            if entry["mtime"] < 10**9 and path in found:  # second 0 means "not known": the daemon shows its own start
                found[path]["mtime"] = entry["mtime"]
        self.assertEqual(harness.differences(found, wanted), [])

    def leftovers(self):
        return [name for folder in (self.folder, self.blobs) for name in os.listdir(folder) if name.startswith(".nydus-image")]
