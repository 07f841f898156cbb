# SPDX-License-Identifier: Apache-2.0
"""The disk of one mount's cache hangs while pages of it have to be read: other mounts' pages are read all the same."""
import os
import unittest

from harness import Daemon, config, drop_page_cache
from hung_backend import HungBackend, Readers, needs_bindfs, within
from isolation_test import CHUNK, CHUNKS, PATIENCE, Images

READERS = 32


@needs_bindfs
class HungCacheDisk(Images):
    def test_reads_of_a_cache_on_a_disk_that_hangs_hold_up_no_other_cache(self):
        caches = os.path.join(self.folder, "caches")
        os.mkdir(caches)
        with HungBackend(caches) as disk:
            with Daemon() as daemon:
                self.mount_both(daemon, disk)
                for name in ("fine", "hung"):
                    self.assert_right(daemon, name, ["big"])
            drop_page_cache()  # what no process has mapped
            with Daemon() as daemon:
                self.mount_both(daemon, disk)
                self.read_while_one_hangs(daemon, disk)

    def mount_both(self, daemon, disk):
        for name, folder in (("fine", self.folder + "/cache-fine"), ("hung", disk.path)):
            status, answer = daemon.mount("/" + name, self.big, config(self.blobs, folder))
            self.assertEqual(status, 204, answer)

    def read_while_one_hangs(self, daemon, disk):
        disk.hang()
        try:
            stuck = Readers(daemon.path("hung", "big"),
                            [(4096, place * CHUNK) for place in range(READERS)])
            self.assert_waiting(daemon, 4)
            with open(daemon.path("fine", "big"), "rb", buffering=0) as file:
                for place in range(CHUNKS):
                    wanted = self.bytes_of["big"][place * CHUNK:place * CHUNK + 4096]
                    self.assertEqual(within(PATIENCE, os.pread, file.fileno(), 4096, place * CHUNK), wanted)
            self.assert_api_answers(daemon)
        finally:
            disk.go_on()
        self.assertEqual(stuck.join(PATIENCE), 0)
        for place, got in stuck.got.items():
            self.assertEqual(got, self.bytes_of["big"][place * CHUNK:place * CHUNK + 4096], place)


if __name__ == "__main__":
    unittest.main()
