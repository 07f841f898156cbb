# SPDX-License-Identifier: Apache-2.0
"""A backend that really hangs: a directory seen through bindfs, whose process is stopped and continued."""
import contextlib
import mmap
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

needs_bindfs = unittest.skipUnless(shutil.which("bindfs"), "no bindfs: install Debian's package of that name")


def state_of(stat):
    with open(stat, encoding="ascii", errors="replace") as file:
        return file.read().rsplit(") ", 1)[1][0]


class HungBackend:
    """`directory` as `path`; hang() stops all answers, go_on() lets them come. Leaving the `with` block cleans up."""

    def __init__(self, directory):
        self.path = tempfile.mkdtemp(prefix="nydus-hung-")
        self.process = subprocess.Popen(["bindfs", "-f", directory, self.path],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not os.path.ismount(self.path):
            if self.process.poll() is not None:
                raise AssertionError("bindfs ended with " + str(self.process.returncode))
            time.sleep(0.01)

    def hang(self):
        self.process.send_signal(signal.SIGSTOP)
        # A request that it has taken already could not even be killed: only when all threads stand still does it take no more.
        tasks = f"/proc/{self.process.pid}/task"
        while any(state_of(f"{tasks}/{task}/stat") != "T" for task in os.listdir(tasks)):
            time.sleep(0.001)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()  # whoever waits for it gets an error, and the umount does not
        self.process.wait()
        subprocess.run(["umount", "-l", self.path], check=False)
        os.rmdir(self.path)


class Readers:
    """Threads that each read one range of a file, past the page cache or through it; what each got: its bytes, or an errno."""

    def __init__(self, path, ranges, flags=os.O_DIRECT):
        self.got = {}
        self.descriptor = os.open(path, os.O_RDONLY | flags)
        before = threading.stack_size(64 << 10)  # there may be thousands
        self.threads = [threading.Thread(target=self.read, args=(place, size, offset), daemon=True)
                        for place, (size, offset) in enumerate(ranges)]
        for thread in self.threads:
            thread.start()
        threading.stack_size(before)

    def read(self, place, size, offset):
        try:
            with mmap.mmap(-1, size) as pages:  # O_DIRECT wants them aligned
                count = os.preadv(self.descriptor, [pages], offset)
                self.got[place] = pages[:count]
        except OSError as why:
            self.got[place] = why.errno

    def join(self, seconds):
        """How many still read after that time."""
        end = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0, end - time.monotonic()))
        left = sum(thread.is_alive() for thread in self.threads)
        if left == 0:
            with contextlib.suppress(OSError):  # the file system may be gone
                os.close(self.descriptor)
        return left


def within(seconds, work, *arguments):
    """What `work` gives; a failure if that takes so long that it hangs."""
    outcome = []

    def run():
        try:
            outcome.append((work(*arguments), None))
        except BaseException as why:  # pylint: disable=broad-except
            outcome.append((None, why))
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise AssertionError(f"{getattr(work, '__name__', work)} has not ended after {seconds} s")
    answer, why = outcome[0]
    if why is not None:
        raise why
    return answer
