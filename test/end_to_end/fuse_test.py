# SPDX-License-Identifier: Apache-2.0
"""The daemon on the real kernel, with images that other builders made. Needs root and /dev/fuse."""
import concurrent.futures
import errno
import glob
import gzip
import hashlib
import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

import harness
from harness import Daemon, FIXTURES, config

MADE = os.path.join(FIXTURES, "made")
TREE_IMAGES = ["v5-lz4_block-blake3", "v5-zstd-sha256-4k", "v5-none-aligned-prefetch"]


def manifest(name):
    with gzip.open(os.path.join(MADE, name + ".manifest.gz"), "rt") as lines:
        return {entry.pop("path"): entry for entry in map(json.loads, lines)}


def md5_of(path):
    with open(path, "rb") as file:
        return hashlib.md5(file.read()).hexdigest()


def image(name):
    return os.path.join(MADE, name + ".boot")


BLOBS = os.path.join(MADE, "blobs")


@unittest.skipUnless(os.path.isdir(MADE), "no fixture images: set NYDUS_FIXTURES")
class FixtureTrees(unittest.TestCase):
    def check(self, daemon, name, wanted, **settings):
        status, answer = daemon.mount("/image", image(name), config(BLOBS, **settings))
        self.assertEqual(status, 204, answer)
        self.assertEqual(harness.differences(harness.tree(daemon.path("image")), wanted), [])
        self.assertEqual(daemon.umount("/image")[0], 204)
        self.assertEqual(os.listdir(daemon.mountpoint), [])

    def test_every_attribute_and_byte_is_right_with_an_empty_cache_and_with_a_full_one(self):
        for name in TREE_IMAGES + ["v5-layered-upper"]:
            wanted = manifest("layered" if "layered" in name else "tree")
            with self.subTest(name), Daemon() as daemon:
                work = os.path.join(daemon.directory, "cache")
                self.check(daemon, name, wanted, work_dir=work)
                harness.drop_page_cache()
                # From the cache alone: a backend without blobs would fail every fetch.
                empty = os.path.join(daemon.directory, "empty")
                os.mkdir(empty)
                self.assertEqual(daemon.mount("/cached", image(name), config(empty, work))[0], 204)
                self.assertEqual(harness.differences(harness.tree(daemon.path("cached")), wanted), [])

    def test_the_dummy_cache_and_the_compressed_cache_serve_the_same_bytes(self):
        with Daemon() as daemon:
            for name in TREE_IMAGES:
                with self.subTest(name):
                    self.check(daemon, name, manifest("tree"))
                    raw = os.path.join(daemon.directory, "raw")
                    for _ in range(2):
                        self.check(daemon, name, manifest("tree"), work_dir=raw, cache={"compressed": True})
                    self.check(daemon, name, manifest("tree"), work_dir=os.path.join(daemon.directory, "checked"),
                               cache={"validate": True}, digest_validate=True, mode="cached")

    def test_the_images_of_2020_and_2022_show_their_files(self):
        for year in ("rafs-v5-2020", "rafs-v5"):
            for path in glob.glob(os.path.join(FIXTURES, year, "*repeatable")):
                with self.subTest(path), Daemon() as daemon:
                    settings = config(os.path.join(FIXTURES, "blobs"), os.path.join(daemon.directory, "cache"))
                    self.assertEqual(daemon.mount("/old", path, settings)[0], 204)
                    result = open(path + ".result").read()
                    sums = {md5_of(os.path.join(folder, file))
                            for folder, _, files in os.walk(daemon.path("old")) for file in files
                            if os.path.isfile(os.path.join(folder, file)) and not os.path.islink(os.path.join(folder, file))}
                    self.assertGreater(len(sums), 10)
                    for one in sums:
                        self.assertIn(one, result)


@unittest.skipUnless(os.path.isdir(MADE), "no fixture images: set NYDUS_FIXTURES")
class PseudoMounts(unittest.TestCase):
    def test_mounts_appear_and_vanish_at_once_under_one_name(self):
        first, second = manifest("tree"), manifest("layered")
        cycles = int(os.environ.get("NYDUS_TEST_CYCLES", "100"))
        with Daemon() as daemon:
            work = os.path.join(daemon.directory, "cache")
            descriptors = []
            for cycle in range(cycles):
                name, wanted = ((TREE_IMAGES[0], first), ("v5-layered-upper", second))[cycle % 2]
                self.assertEqual(daemon.mount("/a/b/c", image(name), config(BLOBS, work))[0], 204)
                self.assertEqual({n for n in map(os.fsdecode, os.listdir(daemon.path("a/b/c")))},
                                 {os.fsdecode(p.encode("latin-1")) for p in wanted if "/" not in p})
                self.assertEqual(daemon.umount("/a/b/c")[0], 204)
                with self.assertRaises(FileNotFoundError):
                    os.stat(daemon.path("a/b/c"))
                self.assertEqual(os.listdir(daemon.mountpoint), [])
                descriptors.append(len(os.listdir(f"/proc/{daemon.process.pid}/fd")))
            self.assertLessEqual(descriptors[-1], descriptors[4] + 8)

    def test_a_remount_replaces_the_image_and_odd_requests_are_refused(self):
        with Daemon() as daemon:
            settings = config(BLOBS, os.path.join(daemon.directory, "cache"))
            self.assertEqual(daemon.mount("/x", image(TREE_IMAGES[0]), settings)[0], 204)
            self.assertEqual(daemon.mount("/x", image(TREE_IMAGES[0]), settings)[0], 204)  # the very same again
            self.assertEqual(daemon.mount("/x", image(TREE_IMAGES[1]), settings)[0], 500)
            self.assertEqual(daemon.mount("/x", image("v5-layered-upper"), settings, method="PUT")[0], 204)
            self.assertEqual(harness.differences(harness.tree(daemon.path("x")), manifest("layered")), [])
            for mountpoint, status in (("rel", 500), ("/../up", 500), ("/x/inside", 500)):
                self.assertEqual(daemon.mount(mountpoint, image(TREE_IMAGES[0]), settings)[0], status, mountpoint)
            self.assertEqual(daemon.mount("/y", "/no/such", settings)[0], 500)
            self.assertEqual(daemon.mount("/y", image("v6-zstd"), settings)[0], 501)
            self.assertEqual(daemon.umount("/nope")[0], 500)

    def test_the_oldest_form_of_mount_is_understood(self):
        with Daemon() as daemon:
            path = os.path.join(daemon.directory, "config.json")
            with open(path, "w") as file:
                json.dump({"device_config": config(BLOBS)["device"]}, file)
            body = {"source": image(TREE_IMAGES[0]), "fstype": "rafs", "mountpoint": "pseudo_1", "config": path}
            self.assertEqual(daemon.call("PUT", "/api/v1/mount", body)[0], 204)
            self.assertEqual(harness.differences(harness.tree(daemon.path("pseudo_1")), manifest("tree")), [])
            self.assertEqual(daemon.call("PUT", "/api/v1/mount", {"mountpoint": "pseudo_1", "ops": "umount"})[0], 204)


@unittest.skipUnless(os.path.isdir(MADE), "no fixture images: set NYDUS_FIXTURES")
class KernelInterface(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon()
        cls.addClassCleanup(cls.daemon.__exit__)
        cls.settings = config(BLOBS, os.path.join(cls.daemon.directory, "cache"), iostats_files=True, access_pattern=True)
        assert cls.daemon.mount("/image", image(TREE_IMAGES[0]), cls.settings)[0] == 204
        files = {path: entry for path, entry in manifest("tree").items() if entry.get("size", 0) > 300000 and entry["nlink"] == 1}
        cls.big, cls.entry = max(files.items(), key=lambda item: item[1]["size"])
        cls.path = cls.daemon.path("image", os.fsdecode(cls.big.encode("latin-1")))

    def digest(self, data):
        return hashlib.sha256(data).hexdigest()

    def test_nothing_can_be_changed(self):
        folder = self.daemon.path("image")
        for change in (lambda: os.open(folder + "/new", os.O_CREAT | os.O_WRONLY), lambda: os.mkdir(folder + "/new"),
                       lambda: os.unlink(self.path), lambda: os.rename(self.path, folder + "/new"),
                       lambda: os.chmod(self.path, 0), lambda: os.truncate(self.path, 0),
                       lambda: os.symlink("x", folder + "/new"), lambda: os.setxattr(self.path, "user.x", b"1")):
            with self.assertRaises(OSError) as why:
                change()
            self.assertEqual(why.exception.errno, errno.EROFS)

    def test_every_way_of_reading_gives_the_same_bytes(self):
        with open(self.path, "rb") as file:
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
                self.assertEqual(self.digest(view), self.entry["sha256"])
            target, = [tempfile.TemporaryFile()]
            offset = 0
            while sent := os.sendfile(target.fileno(), file.fileno(), offset, 1 << 20):
                offset += sent
            target.seek(0)
            self.assertEqual(self.digest(target.read()), self.entry["sha256"])
            target.close()
        direct = os.open(self.path, os.O_RDONLY | os.O_DIRECT)
        buffer, read = mmap.mmap(-1, 1 << 20), b""
        while size := os.preadv(direct, [buffer], len(read)):
            read += buffer[:size]
        os.close(direct)
        self.assertEqual(self.digest(read), self.entry["sha256"])

    def test_parallel_readers_all_get_every_byte(self):
        files = [(os.fsdecode(path.encode("latin-1")), entry) for path, entry in manifest("tree").items() if "sha256" in entry]

        def check(item):
            with open(self.daemon.path("image", item[0]), "rb") as file:
                return self.digest(file.read()) == item[1]["sha256"]
        harness.drop_page_cache()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertTrue(all(pool.map(check, files)))

    def test_metrics_count_what_was_read(self):
        status, before = self.daemon.call("GET", "/api/v1/metrics?id=%2Fimage")
        self.assertEqual(status, 200)
        harness.drop_page_cache()
        with open(self.path, "rb") as file:
            file.read()
        after = self.daemon.call("GET", "/api/v1/metrics")[1]
        self.assertEqual(after["data_read"] - before["data_read"], self.entry["size"])
        self.assertGreater(after["fop_hits"][4], before["fop_hits"][4])
        self.assertTrue(self.daemon.call("GET", "/api/v1/metrics/pattern")[1])
        status, refused = self.daemon.call("GET", "/api/v1/metrics/pattern?id=poison")
        self.assertEqual(status, 404)
        self.assertIn("Pattern(Metrics(Stats(NoCounter)))", refused["message"])
        self.assertEqual(self.daemon.call("GET", "/api/v1/metrics/blobcache?id=test")[0], 200)
        self.assertEqual(self.daemon.call("GET", "/api/v1/metrics/backend")[1]["read_errors"], 0)
        self.assertEqual(self.daemon.call("GET", "/api/v1/metrics/inflight")[0], 204)


@unittest.skipUnless(os.path.isdir(MADE), "no fixture images: set NYDUS_FIXTURES")
class CacheFaults(unittest.TestCase):
    def test_a_wrong_blob_is_an_error_and_a_repaired_one_is_read_without_a_restart(self):
        with Daemon() as daemon:
            blobs = os.path.join(daemon.directory, "blobs")
            shutil.copytree(BLOBS, blobs)
            settings = config(blobs, os.path.join(daemon.directory, "cache"))
            self.assertEqual(daemon.mount("/image", image(TREE_IMAGES[0]), settings)[0], 204)
            blob = os.path.join(blobs, "e0b9f6be89ba1526cdf9672723249b409390776f84d098c0446694bbe1d372fc")
            right = open(blob, "rb").read()
            wanted = manifest("tree")
            path = max((p for p in wanted if wanted[p].get("size", 0) > 0), key=lambda p: wanted[p]["size"])
            real = daemon.path("image", os.fsdecode(path.encode("latin-1")))
            for damage in (bytes(byte ^ 0x5a for byte in right), right[:100], None):
                if damage is None:
                    os.unlink(blob)
                else:
                    with open(blob, "wb") as file:
                        file.write(damage)
                with self.assertRaises(OSError):
                    open(real, "rb").read()
            with open(blob, "wb") as file:
                file.write(right)
            self.assertEqual(harness.differences(harness.tree(daemon.path("image")), wanted), [])

    def test_a_daemon_killed_while_it_fills_the_cache_leaves_no_wrong_byte(self):
        wanted = manifest("tree")
        directory = tempfile.mkdtemp(prefix="nydusd-test-")
        for _ in range(int(os.environ.get("NYDUS_TEST_KILLS", "5"))):
            daemon = Daemon(directory=directory)
            daemon.mount("/image", image("v5-zstd-sha256-4k"), config(BLOBS, os.path.join(directory, "cache")))
            reader = subprocess.Popen(["tar", "-cf", "/dev/null", "-C", daemon.mountpoint, "."], stderr=subprocess.DEVNULL)
            time.sleep(0.1)
            daemon.stop(signal.SIGKILL)
            reader.wait(20)
            subprocess.run(["umount", "-l", daemon.mountpoint], check=False)
        with Daemon(directory=directory) as daemon:
            daemon.mount("/image", image("v5-zstd-sha256-4k"), config(BLOBS, os.path.join(directory, "cache")))
            self.assertEqual(harness.differences(harness.tree(daemon.path("image")), wanted), [])

    def test_reads_go_on_when_the_disk_of_the_cache_is_full(self):
        with Daemon() as daemon:
            work = os.path.join(daemon.directory, "full")
            os.mkdir(work)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", work], check=True)
            try:
                self.assertEqual(daemon.mount("/image", image(TREE_IMAGES[0]), config(BLOBS, work))[0], 204)
                self.assertEqual(harness.differences(harness.tree(daemon.path("image")), manifest("tree")), [])
                self.assertEqual(daemon.umount("/image")[0], 204)
            finally:
                subprocess.run(["umount", "-l", work], check=True)

    def test_a_bootstrap_cut_short_while_mounted_kills_nobody(self):
        with Daemon() as daemon:
            copy = os.path.join(daemon.directory, "boot")
            shutil.copy(image(TREE_IMAGES[0]), copy)
            settings = config(BLOBS, os.path.join(daemon.directory, "cache"))
            self.assertEqual(daemon.mount("/cut", copy, settings)[0], 204)
            self.assertEqual(daemon.mount("/whole", image(TREE_IMAGES[1]), settings)[0], 204)
            os.truncate(copy, 16384)
            subprocess.run(["find", daemon.path("cut")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            self.assertEqual(harness.differences(harness.tree(daemon.path("whole")), manifest("tree")), [])


NYDUS_IMAGE = os.environ.get("NYDUS_IMAGE", os.path.join(harness.ROOT, "build/builder/nydus-image"))


class Builder(unittest.TestCase):
    def make_tree(self, root):
        os.makedirs(root + "/deep/er/est")
        os.mkdir(root + "/empty")
        for name, data in (("none", b""), ("small", b"x"), ("big", os.urandom(3 << 20)), ("zeros", bytes(2 << 20)),
                           ("text", b"the same line again\n" * 100000), ("n" * 255, b"long name"), ("\udcff\udcfe", b"no UTF-8")):
            with open(root + "/deep/" + name, "wb") as file:
                file.write(data)
        shutil.copy(root + "/deep/big", root + "/copy")
        with open(root + "/sparse", "wb") as file:
            file.truncate(5 << 20)
            file.seek(4 << 20)
            file.write(b"behind the hole")
        os.link(root + "/copy", root + "/deep/er/link")
        os.symlink("../small", root + "/deep/er/symlink")
        os.mkfifo(root + "/fifo")
        os.mknod(root + "/device", 0o600 | 0o020000, os.makedev(1, 7))
        os.setxattr(root + "/copy", "user.one", b"1")
        os.setxattr(root + "/copy", "trusted.two", bytes(range(256)))
        os.chmod(root + "/deep/small", 0o4711)
        os.chown(root + "/deep/text", 12345, 54321)
        os.utime(root + "/deep/big", ns=(1, 1234567890123456789))

    def build(self, *options, **more):
        return subprocess.run([NYDUS_IMAGE, "create", "--log-level", "warn", *options], capture_output=True, check=False, **more)

    def test_a_mounted_image_is_its_source_whatever_it_was_built_with(self):
        with tempfile.TemporaryDirectory() as folder, Daemon() as daemon:
            source, blobs, boot = folder + "/source", folder + "/blobs", folder + "/boot"
            os.mkdir(source), os.mkdir(blobs)
            self.make_tree(source)
            wanted = harness.tree(source)
            for options in (["--compressor", "none"], ["--compressor", "lz4_block", "--digester", "sha256"], ["--compressor", "zstd"],
                            ["--chunk-size", "0x1000"], ["--chunk-size", "0x1000000", "--aligned-chunk"]):
                with self.subTest(options):
                    built = self.build(*options, "--blob-dir", blobs, "--bootstrap", boot, source)
                    self.assertEqual(built.returncode, 0, built.stderr)
                    self.assertEqual(subprocess.run([NYDUS_IMAGE, "check", "--bootstrap", boot], stdout=subprocess.DEVNULL).returncode, 0)
                    self.assertEqual(daemon.mount("/built", boot, config(blobs, os.path.join(daemon.directory, "cache")))[0], 204)
                    self.assertEqual(harness.differences(harness.tree(daemon.path("built")), wanted), [])
                    self.assertEqual(daemon.umount("/built")[0], 204)

    def test_a_directory_of_many_entries_is_listed_whole(self):
        with tempfile.TemporaryDirectory() as folder, Daemon() as daemon:
            os.mkdir(folder + "/source"), os.mkdir(folder + "/blobs")
            names = {f"{number:06}" for number in range(int(os.environ.get("NYDUS_TEST_ENTRIES", "100000")))}
            for name in names:
                os.mknod(folder + "/source/" + name)
            self.assertEqual(self.build("--blob-dir", folder + "/blobs", "-B", folder + "/boot", folder + "/source").returncode, 0)
            self.assertEqual(daemon.mount("/many", folder + "/boot", config(folder + "/blobs"))[0], 204)
            self.assertEqual(set(os.listdir(daemon.path("many"))), names)
            self.assertFalse(os.path.exists(daemon.path("many", "1000000")))

    def test_prefetch_fetches_what_the_image_names_before_anyone_reads(self):
        with tempfile.TemporaryDirectory() as folder, Daemon() as daemon:
            os.mkdir(folder + "/source"), os.mkdir(folder + "/blobs")
            self.make_tree(folder + "/source")
            built = self.build("--prefetch-policy", "fs", "--blob-dir", folder + "/blobs", "-B", folder + "/boot", folder + "/source",
                               input=b"/deep\n")
            self.assertEqual(built.returncode, 0, built.stderr)
            settings = config(folder + "/blobs", daemon.directory + "/cache", fs_prefetch={"enable": True, "prefetch_all": False})
            self.assertEqual(daemon.mount("/ahead", folder + "/boot", settings)[0], 204)
            for _ in range(100):
                metrics = daemon.call("GET", "/api/v1/metrics/blobcache?id=%2Fahead")[1]
                if metrics["prefetch_end_time_secs"]:
                    break
                time.sleep(0.05)
            self.assertGreater(metrics["prefetch_data_amount"], 3 << 20)

    def test_wrong_calls_say_what_would_be_right(self):
        for options, status, word in ((["--chunk-size", "5", "-D", "/tmp", "/"], 2, "--chunk-size"), (["/"], 2, "--blob-dir"),
                                      (["--fs-version", "6", "-D", "/tmp", "/"], 2, "RAFS v5"), (["-D", "/tmp", "/no/such"], 1, "/no/such")):
            built = self.build(*options)
            self.assertEqual(built.returncode, status, built.stderr)
            self.assertIn(word, built.stderr.decode())


class Life(unittest.TestCase):
    def test_it_ends_with_0_when_told_and_when_unmounted_from_outside(self):
        with Daemon() as daemon:
            began = time.monotonic()
            self.assertEqual(daemon.stop(signal.SIGTERM), 0)
            self.assertLess(time.monotonic() - began, 1)
            self.assertFalse(os.path.exists(daemon.socket))
        with Daemon() as daemon:
            subprocess.run(["umount", daemon.mountpoint], check=True)
            self.assertEqual(daemon.process.wait(1), 0)

    def test_exit_over_the_api_leaves_no_process(self):
        with Daemon() as daemon:
            self.assertEqual(daemon.call("PUT", "/api/v1/daemon/exit")[0], 204)
            self.assertEqual(daemon.process.wait(2), 0)

    @unittest.skipUnless(os.path.isdir(MADE), "no fixture images: set NYDUS_FIXTURES")
    def test_an_image_given_at_start_is_the_root_and_a_bad_one_ends_the_daemon(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(BLOBS, folder, dirs_exist_ok=True)
            with Daemon("--bootstrap", image(TREE_IMAGES[0]), "--localfs-dir", folder) as daemon:
                self.assertEqual(harness.differences(harness.tree(daemon.mountpoint), manifest("tree")), [])
            with Daemon("fuse", "--metadata", image(TREE_IMAGES[0]), "--localfs-dir", folder, "--virtual-mountpoint", "/v") as daemon:
                self.assertEqual(os.listdir(daemon.mountpoint), ["v"])
            with self.assertRaisesRegex(AssertionError, "Error: "):
                Daemon("--bootstrap", "/no/such", "--localfs-dir", folder)

    def test_two_hundred_clients_are_answered_at_once(self):
        with Daemon() as daemon:
            connections = [harness.UnixConnection(daemon.socket) for _ in range(200)]
            for connection in connections:
                connection.request("GET", "/api/v1/daemon")
            self.assertEqual({connection.getresponse().status for connection in connections}, {200})
            for connection in connections:
                connection.close()
            self.assertEqual(daemon.call("PUT", "/api/v1/mount?mountpoint=/x", b"x" * (11 << 20))[0], 413)
            self.assertEqual(daemon.call("GET", "/api/v1/nothing"), (404, {"code": "UNDEFINED", "message": "NoRoute"}))
            self.assertEqual(daemon.call("POST", "/api/v1/mount?mountpoint=/x", b"not json")[0], 400)


if __name__ == "__main__":
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        print("SKIPPED: the end-to-end tests need root and /dev/fuse", flush=True)
        print("end_to_end: 0 passed, 0 failed, 1 skipped")
        sys.exit(0)
    sys.exit(harness.run_tests("end_to_end"))
