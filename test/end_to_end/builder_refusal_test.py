# SPDX-License-Identifier: Apache-2.0
"""nydus-image where something is wrong: the call, the source, the disk; or where it is told to end."""
import os
import pty
import random
import shutil
import signal
import subprocess
import time

from builder_folder import Folder, create
from harness import NYDUS_IMAGE

PIECE = 1 << 20


class BuilderRefusals(Folder):
    def test_wrong_calls_say_what_would_be_right(self):
        for options, status, word in ((["--chunk-size", "5", "-D", "/tmp", "/"], 2, "--chunk-size"), (["/"], 2, "--blob-dir"),
                                      (["--batch-size", "4096", "-D", "/tmp", "/"], 2, "no batches"), (["-D", "/tmp", "/no/such"], 1, "/no/such"),
                                      (["-D", "/no/such", "/etc"], 1, "make it first"), (["-b", "/tmp", "-B", "x", "/etc"], 1, "is a directory")):
            built = create(*options)
            self.assertEqual(built.returncode, status, built.stderr)
            self.assertIn(word, built.stderr.decode())

    def test_an_unreadable_file_is_named(self):
        with open(self.source + "/secret", "w") as file:
            file.write("x")
        os.chmod(self.source + "/secret", 0)
        os.chmod(self.folder, 0o777), os.chmod(self.blobs, 0o777)
        program = shutil.copy(NYDUS_IMAGE, self.folder)
        built = create("-D", self.blobs, "-B", self.boot, self.source, program=program, user=65534, group=65534, extra_groups=[])
        self.assertEqual(built.returncode, 1)
        self.assertIn("secret: Permission denied; build as a user who may read it", built.stderr.decode())
        self.assertEqual(os.listdir(self.blobs), [])

    def test_a_full_disk_is_told_of_and_nothing_is_left(self):
        with open(self.source + "/big", "wb") as file:
            file.write(os.urandom(3 << 20))
        full = os.path.join(self.folder, "full")
        os.mkdir(full)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", full], check=True)
        try:
            for places in (["-D", full], ["-b", full + "/blob", "-B", self.boot]):
                built = create(*places, self.source)
                self.assertEqual(built.returncode, 1)
                self.assertIn("No space left on device", built.stderr.decode())
                self.assertEqual(os.listdir(full), [])
        finally:
            subprocess.run(["umount", "-l", full], check=True)
        self.assertFalse(os.path.exists(self.boot))

    def test_files_that_change_while_they_are_read_are_told_of(self):
        # The fifo holds the build back until the file was changed.
        fifo, path = os.path.join(self.folder, "fifo"), self.source + "/z"
        os.mkfifo(fifo)
        for number in range(64):
            with open(f"{self.source}/{number:02}", "wb") as file:
                file.write(os.urandom(1 << 20))
        for change, status, word in ((lambda: os.truncate(path, 10), 1, "became shorter while it was read"),
                                     (lambda: os.utime(path), 0, "changed while the image was built"),
                                     (lambda: os.unlink(path), 1, "No such file")):
            with open(path, "wb") as file:
                file.write(os.urandom(1 << 20))
            build = subprocess.Popen([NYDUS_IMAGE, "create", "-l", "warn", "-b", fifo, "-B", self.boot, self.source], stderr=subprocess.PIPE)
            with open(fifo, "rb") as reader:
                reader.read(1)
                change()
                while reader.read(PIECE):
                    pass
            self.assertEqual(build.wait(60), status)
            self.assertIn(word, build.stderr.read().decode())
            build.stderr.close()
            self.assertEqual(self.leftovers(), [])

    def test_a_signal_at_any_time_ends_the_build_and_leaves_no_half_files(self):
        for number in range(40):
            with open(f"{self.source}/{number}", "wb") as file:
                file.write(os.urandom(1 << 20))
        dice = random.Random(5)
        for number in range(20):
            build = subprocess.Popen([NYDUS_IMAGE, "create", "-l", "warn", "-D", self.blobs, "-B", self.boot, self.source], stderr=subprocess.PIPE)
            time.sleep(dice.random() * 0.2)
            build.send_signal(signal.SIGINT if number % 2 else signal.SIGTERM)
            status = build.wait(10)
            said = build.stderr.read().decode()
            build.stderr.close()
            self.assertEqual(self.leftovers(), [])
            if status == 0:  # it was faster
                os.unlink(self.boot)
                shutil.rmtree(self.blobs), os.mkdir(self.blobs)
            else:
                self.assertIn(status, (130, 143, -2, -15), said)
                self.assertEqual(os.listdir(self.blobs), [])
                self.assertFalse(os.path.exists(self.boot))

    def test_a_signal_ends_it_while_it_waits_for_paths_or_for_the_reader_of_a_fifo(self):
        with open(self.source + "/file", "w") as file:
            file.write("x")
        fifo = os.path.join(self.folder, "fifo")
        os.mkfifo(fifo)
        for options in (["--prefetch-policy", "fs", "-D", self.blobs], ["-b", fifo, "-B", self.boot]):
            build = subprocess.Popen([NYDUS_IMAGE, "create", *options, self.source], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(0.3)
            self.assertIsNone(build.poll())
            build.send_signal(signal.SIGINT)
            self.assertEqual(build.wait(5), 130)
            self.assertIn("stopped by signal 2", build.stderr.read().decode())
            build.stdin.close(), build.stderr.close()

    def test_a_reader_of_the_fifo_that_goes_away_ends_it(self):
        with open(self.source + "/file", "wb") as file:
            file.write(os.urandom(4 << 20))
        fifo = os.path.join(self.folder, "fifo")
        os.mkfifo(fifo)
        reader = subprocess.Popen(["head", "-c", "1", fifo], stdout=subprocess.DEVNULL)
        built = create("-b", fifo, "-B", self.boot, self.source)
        reader.wait()
        self.assertEqual(built.returncode, 1)
        self.assertIn("Broken pipe", built.stderr.decode())
        self.assertFalse(os.path.exists(self.boot))

    def test_on_a_terminal_it_shows_how_far_it_is_and_elsewhere_it_does_not(self):
        fifo = os.path.join(self.folder, "fifo")
        os.mkfifo(fifo)
        for number in range(20):
            with open(f"{self.source}/{number}", "wb") as file:
                file.write(os.urandom(1 << 20))
        terminal, inside = pty.openpty()
        build = subprocess.Popen([NYDUS_IMAGE, "create", "-b", fifo, "-B", self.boot, self.source], stderr=inside)
        os.close(inside)
        with open(fifo, "rb") as reader:
            while reader.read(PIECE):
                time.sleep(0.05)
        self.assertEqual(build.wait(20), 0)
        self.assertRegex(os.read(terminal, 65536).decode(), r"\d+ of 20 MiB")
        os.close(terminal)
        self.assertEqual(self.create().stderr, b"")
