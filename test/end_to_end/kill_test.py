# SPDX-License-Identifier: Apache-2.0
"""kill -9 while eight readers fill the cache: whatever it left there, no daemon after it shows a wrong byte.

NYDUS_TEST_KILLS: kills, shared by the kinds of caches."""
import errno
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

from harness import Daemon
from watchers import WatchedImages, Watchers

KILLS = int(os.environ.get("NYDUS_TEST_KILLS", "12"))
READERS = 8
KILLS_PER_CACHE = 5  # then there is little left to fill
KINDS = ({}, {"compressed": True}, {"disable_indexed_map": True})
# What a reader may see of a daemon that is no more.
GONE = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.ENODEV)


class Killed(WatchedImages):
    def fill_and_kill(self, directory, chance, **more):
        """The kill comes anywhere between the mount and a cache that is about full."""
        daemon = Daemon(directory=directory)
        try:
            self.mount(daemon, "image", self.big, fs_prefetch={"enable": chance.random() < 0.5}, **more)
            with Watchers(READERS, lambda dice: self.read_some(daemon, "image", dice, GONE)):
                time.sleep(chance.random() * 0.1)
                daemon.stop(signal.SIGKILL)
        finally:
            daemon.stop(signal.SIGKILL)
            subprocess.run(["umount", "-l", daemon.mountpoint], check=False)

    def test_no_reader_sees_a_wrong_byte_after_any_kill(self):
        chance = random.Random(4)
        for kind in KINDS:
            with self.subTest(**kind), tempfile.TemporaryDirectory(prefix="nydusd-test-") as directory:
                for kill in range(KILLS // len(KINDS)):
                    if kill % KILLS_PER_CACHE == 0:
                        shutil.rmtree(os.path.join(directory, "cache-image"), ignore_errors=True)
                    self.fill_and_kill(directory, chance, cache=kind)
                with Daemon(directory=directory) as daemon:
                    self.mount(daemon, "image", self.big, cache=kind)
                    self.assert_right(daemon, "image", ["big"])
