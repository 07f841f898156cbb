# SPDX-License-Identifier: Apache-2.0
"""Readers that go on while a test does its worst, and compare all that they get with the right bytes."""
import os
import random
import threading
import time

from isolation_test import PATIENCE, Images


class Watchers:
    """Threads that do `work(random.Random)` again and again; what it raises is kept, and the first one is raised at the end."""

    def __init__(self, count, work):
        self.stop, self.wrong, self.rounds = threading.Event(), [], 0
        self.threads = [threading.Thread(target=self.run, args=(work, seed), daemon=True) for seed in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, work, seed):
        chance = random.Random(seed)
        while not self.stop.is_set():
            try:
                work(chance)
                self.rounds += 1
            except Exception as why:  # pylint: disable=broad-except
                self.wrong.append(why)
                return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(PATIENCE)
            if thread.is_alive():
                self.wrong.append(AssertionError("a watcher hangs"))
        if self.wrong:
            raise self.wrong[0]


class WatchedImages(Images):
    def read_some(self, daemon, name, chance, allowed=()):
        """One random piece: its bytes are right, or it fails in one of the `allowed` ways."""
        place = chance.randrange(len(self.bytes_of["big"]))
        try:
            with open(daemon.path(name, "big"), "rb", buffering=0) as opened:
                got = os.pread(opened.fileno(), 8192, place)
        except OSError as why:
            if why.errno in allowed:
                time.sleep(0.001)  # others want to run, too
                return
            raise
        wanted = self.bytes_of["big"][place:place + 8192]
        if allowed and got:  # where a later page fails the kernel gives those before it
            wanted = wanted[:len(got)]
        if got != wanted:
            raise AssertionError(f"{name}/big at {place}: {len(got)} wrong bytes")
