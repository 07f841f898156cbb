# SPDX-License-Identifier: Apache-2.0
"""A memory cgroup of either version for one process."""
import contextlib
import os
import tempfile
import unittest

ROOT = "/sys/fs/cgroup"


class MemoryGroup:
    """Holds the process to `limit` bytes, page cache included. Leaving the `with` block frees it."""

    def __init__(self, process, limit):
        self.is_second = os.path.exists(ROOT + "/cgroup.controllers")
        with contextlib.suppress(OSError):
            if self.is_second:
                self.write(ROOT, "cgroup.subtree_control", "+memory")
        self.parent = ROOT if self.is_second else ROOT + "/memory"
        try:
            self.path = tempfile.mkdtemp(prefix="nydusd-test-", dir=self.parent)
        except OSError as why:
            raise unittest.SkipTest(f"no memory cgroup can be made: {why}")
        self.process = process
        self.limit = "memory.max" if self.is_second else "memory.limit_in_bytes"
        if not os.path.exists(os.path.join(self.path, self.limit)):
            os.rmdir(self.path)
            raise unittest.SkipTest(f"no memory controller in {self.path}")
        self.write(self.path, self.limit, str(limit))
        self.write(self.path, "cgroup.procs", str(process))

    @staticmethod
    def write(folder, file, text):
        with open(os.path.join(folder, file), "w", encoding="ascii") as out:
            out.write(text)

    def times_met(self):
        """How often the limit kept the process from more memory: pages were given back, then."""
        if not self.is_second:
            with open(self.path + "/memory.failcnt", encoding="ascii") as file:
                return int(file.read())
        with open(self.path + "/memory.events", encoding="ascii") as file:
            return int(dict(line.split() for line in file)["max"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):  # it may be gone
            self.write(self.parent, "cgroup.procs", str(self.process))
        os.rmdir(self.path)
