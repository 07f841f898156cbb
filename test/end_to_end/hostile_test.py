# SPDX-License-Identifier: Apache-2.0
"""Images that lie, over the API and the kernel: a clear error to whoever asked, and every other mount goes on."""
import os
import random
import struct
import tempfile
import unittest

import bootstrap
import harness
from harness import Daemon, build_image, config


def read_all(root):
    """Reads whatever can be read, at most some thousand entries: a damaged tree may be endless."""
    entries = 0
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in folders + files:
            path, entries = os.path.join(folder, name), entries + 1
            try:
                os.lstat(path)
                os.listxattr(path, follow_symlinks=False)
                if os.path.islink(path):
                    os.readlink(path)
                elif os.path.isfile(path):
                    with open(path, "rb") as file:
                        while file.tell() < 64 << 20 and file.read(1 << 20):
                            pass
            except OSError:
                pass
        if entries > 3000:
            return


class HostileImages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder, cls.blobs, source = folder.name, folder.name + "/blobs", folder.name + "/source"
        os.makedirs(source + "/deep/er"), os.mkdir(cls.blobs)
        for name, size in (("small", 5), ("deep/chunks", 40000), ("deep/er/text", 9000), ("empty", 0)):
            with open(f"{source}/{name}", "wb") as file:
                file.write(os.urandom(size // 2) + bytes(size - size // 2))
        os.link(source + "/small", source + "/deep/link")
        os.symlink("small", source + "/symlink")
        os.mknod(source + "/device", 0o600 | 0o020000, os.makedev(1, 7))
        os.setxattr(source + "/small", "user.one", b"1" * 50)
        cls.boot = build_image(source, cls.blobs, folder.name + "/boot", "--chunk-size", "0x1000", "--prefetch-policy", "fs", input=b"/deep\n")
        cls.wanted = harness.tree(source)
        with open(cls.boot, "rb") as file:
            cls.image = file.read()

    def check_each(self, changes):
        """Mounts every changed image beside the right one, reads both, and unmounts."""
        with Daemon() as daemon:
            settings = config(self.blobs, daemon.directory + "/right")
            self.assertEqual(daemon.mount("/right", self.boot, settings)[0], 204)
            # One cache for all of them, the right one too: what they leave there must not be taken for good.
            hostile = config(self.blobs, daemon.directory + "/shared", fs_prefetch={"enable": True}, digest_validate=True)
            refused = 0
            for what, changed in changes:
                with open(self.folder + "/changed", "wb") as file:
                    file.write(changed)
                status, why = daemon.mount("/hostile", self.folder + "/changed", hostile)
                self.assertIn(status, (204, 500, 501, 502), (what, why))
                if status == 204:
                    read_all(daemon.path("hostile"))
                    self.assertEqual(daemon.umount("/hostile")[0], 204, what)
                else:
                    refused += 1
                    self.assertGreater(len(why["message"]), 40, what)
                self.assertIsNone(daemon.process.poll(), what)
                with open(daemon.path("right/small"), "rb") as file:
                    self.assertEqual(len(file.read()), 5, what)
            self.assertEqual(daemon.mount("/after", self.boot, config(self.blobs, daemon.directory + "/shared"))[0], 204)
            for root in ("right", "after"):
                self.assertEqual(harness.differences(harness.tree(daemon.path(root)), self.wanted), [])
            return refused

    def test_any_changed_byte_harms_nobody_else(self):
        dice = random.Random(int(os.environ.get("NYDUS_TEST_SEED", "7")))
        changes = []
        for number in range(int(os.environ.get("NYDUS_TEST_CHANGES", "250"))):
            changed = bytearray(self.image)
            for _ in range(dice.choice((1, 1, 2, 8))):
                # Half of them where the superblock's 96 bytes of fields are, half in tables and inodes.
                at = dice.randrange(96) if dice.random() < 0.5 else dice.randrange(8192, len(changed))
                changed[at] = dice.choice((0, 0xff, 0x80, 1, dice.randrange(256), changed[at] ^ 1 << dice.randrange(8)))
            changes.append((number, bytes(changed)))
        self.assertGreater(self.check_each(changes), 20)

    def test_an_image_cut_short_or_of_other_bytes_is_refused_or_read_in_part(self):
        cuts = [self.image[:size] for size in (0, 1, 95, 96, 8191, 8192, 8200, len(self.image) // 2, len(self.image) - 8)]
        cuts += [bytes(100000), b"\xff" * 100000, os.urandom(100000), self.image[:8192] + os.urandom(len(self.image) - 8192), self.image * 3]
        self.assertGreaterEqual(self.check_each(list(enumerate(cuts))), len(cuts) - 4)

    def test_lies_about_chunks_are_errors_of_the_file_alone(self):
        head, changes = bootstrap.fields(self.image), []
        for slot in range(head["entries"]):
            record = struct.unpack_from("<I", self.image, head["inode_table"] + 4 * slot)[0] << 3
            mode, = struct.unpack_from("<I", self.image, record + 60)
            children, name_size, target_size = struct.unpack_from("<IHH", self.image, record + 96)
            flags, = struct.unpack_from("<Q", self.image, record + 80)
            if mode & 0o170000 != 0o100000 or children == 0 or flags & 4:
                continue
            chunk = record + 128 + bootstrap.align8(name_size) + bootstrap.align8(target_size)
            for what, offset, form, value in (
                    ("blob index", 32, "<I", 7), ("no size", 40, "<I", 0), ("bomb", 44, "<I", 0xffffffff), ("larger", 44, "<I", 4097),
                    ("behind the blob", 48, "<Q", 1 << 40), ("near 2^64", 48, "<Q", (1 << 64) - 4096), ("behind the cache", 56, "<Q", 1 << 50),
                    ("other file offset", 64, "<Q", 1), ("index", 72, "<I", 0xfffffff0), ("digest", 0, "<Q", 1), ("flags", 36, "<I", 0xffffffff)):
                changed = bytearray(self.image)
                struct.pack_into(form, changed, chunk + offset, value)
                changes.append(((slot, what), bytes(changed)))
        self.assertGreater(len(changes), 20)
        self.check_each(changes)
