# SPDX-License-Identifier: Apache-2.0
"""Pseudo-mounts come and go over the API: what the kernel shows, and that nothing stale is left."""
import concurrent.futures
import json
import os
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import BLOBS, Daemon, TREE_IMAGES, build_image, config, image, manifest, needs_fixtures


def resident_kilobytes(pid):
    with open(f"/proc/{pid}/status") as lines:
        return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])


class ChangingImages(unittest.TestCase):
    """Images that show the same names with other bytes, so that whatever is stale can be told."""
    COUNT = 7

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.blobs = cls.folder + "/blobs"
        os.mkdir(cls.blobs)
        cls.images = []
        for number in range(cls.COUNT):
            source = f"{cls.folder}/source-{number}"
            os.makedirs(source + "/deep/er")
            for name in ("same", "deep/er/same"):
                with open(f"{source}/{name}", "w") as file:
                    file.write(f"image {number} " * (number + 1))
            with open(f"{source}/deep/only-{number}", "w") as file:
                file.write(str(number))
            os.symlink(f"to-{number}", source + "/link")
            cls.images.append(build_image(source, cls.blobs, f"{cls.folder}/boot-{number}"))

    def settings(self, daemon):
        return config(self.blobs, os.path.join(daemon.directory, "cache"))

    def assert_shows(self, root, number):
        wanted = f"image {number} " * (number + 1)
        for name in ("same", "deep/er/same"):
            self.assertEqual(os.stat(f"{root}/{name}").st_size, len(wanted))
            with open(f"{root}/{name}") as file:
                self.assertEqual(file.read(), wanted)
        self.assertEqual(os.readlink(root + "/link"), f"to-{number}")
        self.assertEqual(sorted(os.listdir(root + "/deep")), ["er", f"only-{number}"])
        self.assertFalse(os.path.exists(f"{root}/deep/only-{(number + 1) % self.COUNT}"))

    def test_images_change_under_one_name_without_a_stale_name_inode_or_byte_and_without_growth(self):
        cycles = int(os.environ.get("NYDUS_TEST_CYCLES", "300"))
        with Daemon() as daemon:
            settings, inodes, held = self.settings(daemon), {}, None
            descriptors = memory = 0
            for cycle in range(cycles):
                number = cycle % self.COUNT
                name = ("/a/b/c", "/a/b", "/one")[cycle % 3]
                root = daemon.path(name[1:])
                self.assertEqual(daemon.mount(name, self.images[number], settings)[0], 204)
                self.assert_shows(root, number)
                self.assertNotEqual(os.stat(root + "/same").st_ino, inodes.get(name))
                inodes[name] = os.stat(root + "/same").st_ino
                if held is not None:  # a file of the image before: its bytes or an error, never another's
                    try:
                        self.assertEqual(os.pread(held[0], 8, 0), f"image {held[1]} ".encode())
                    except OSError:
                        pass
                    os.close(held[0])
                held = (os.open(root + "/deep/er/same", os.O_RDONLY), number)
                self.assertEqual(daemon.umount(name)[0], 204)
                for gone in (root, root + "/same", root + "/deep/er/same"):
                    with self.assertRaises(FileNotFoundError):
                        os.stat(gone)
                self.assertEqual(os.listdir(daemon.mountpoint), [])
                if cycle == cycles // 4:
                    descriptors = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
                    memory = resident_kilobytes(daemon.process.pid)
            os.close(held[0])
            self.assertLessEqual(len(os.listdir(f"/proc/{daemon.process.pid}/fd")), descriptors + 4)
            self.assertLess(resident_kilobytes(daemon.process.pid), memory + 2048)

    def test_an_image_at_the_root_leaves_no_name_and_no_missing_name_behind(self):
        with Daemon() as daemon:
            settings = self.settings(daemon)
            for number in (0, 1, 2):
                self.assertEqual(daemon.mount("/", self.images[number], settings)[0], 204)
                self.assert_shows(daemon.mountpoint, number)
                self.assertFalse(os.path.exists(daemon.path("late")))
                self.assertEqual(daemon.umount("/")[0], 204)
                self.assertEqual(os.listdir(daemon.mountpoint), [])
                self.assertFalse(os.path.exists(daemon.path("same")))
                self.assertEqual(daemon.mount("/late", self.images[number], settings)[0], 204)
                self.assert_shows(daemon.path("late"), number)
                self.assertEqual(daemon.umount("/late")[0], 204)
            # Another image in its place has a name that the first one lacked.
            self.assertEqual(daemon.mount("/", self.images[0], settings)[0], 204)
            self.assertFalse(os.path.exists(daemon.path("extra")))
            os.makedirs(self.folder + "/source-extra/extra", exist_ok=True)
            more = build_image(self.folder + "/source-extra", self.blobs, self.folder + "/boot-extra")
            self.assertEqual(daemon.mount("/", more, settings, method="PUT")[0], 204)
            self.assertEqual(os.listdir(daemon.mountpoint), ["extra"])
            self.assertTrue(os.path.isdir(daemon.path("extra")))
            self.assertFalse(os.path.exists(daemon.path("same")))

    def test_no_mount_hides_another(self):
        with Daemon() as daemon:
            settings = self.settings(daemon)
            self.assertEqual(daemon.mount("/x/y", self.images[0], settings)[0], 204)
            for hiding in ("/", "/x", "/x/y/z"):
                status, why = daemon.mount(hiding, self.images[1], settings)
                self.assertEqual(status, 500, hiding)
                self.assertIn(hiding, why["message"])
            self.assert_shows(daemon.path("x/y"), 0)
            self.assertEqual(daemon.umount("/x/y")[0], 204)
            self.assertEqual(daemon.mount("/", self.images[1], settings)[0], 204)
            self.assertEqual(daemon.mount("/x", self.images[0], settings)[0], 500)
            self.assert_shows(daemon.mountpoint, 1)

    def test_clients_that_change_one_mountpoint_at_once_get_answers_and_leave_order(self):
        for name in ("/", "/a/b"):
            with self.subTest(name), Daemon() as daemon:
                settings, odd = self.settings(daemon), []

                def change(turn, daemon=daemon, settings=settings, odd=odd):
                    for step in range(60):
                        number = (turn + step) % self.COUNT
                        try:
                            if (turn + step) % 3 == 0:
                                status, _ = daemon.umount(name)
                            else:
                                method = "PUT" if (turn + step) % 3 == 1 else "POST"
                                status, _ = daemon.mount(name, self.images[number], settings, method=method)
                        except Exception as why:  # pylint: disable=broad-except
                            odd.append(repr(why))
                            return
                        if status not in (204, 500):
                            odd.append(status)
                threads = [threading.Thread(target=change, args=(turn,)) for turn in range(6)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.assertEqual(odd, [])
                daemon.umount(name)
                self.assertEqual(daemon.call("GET", "/api/v1/daemon")[1]["backend_collection"], {})
                self.assertEqual(os.listdir(daemon.mountpoint), [])
                self.assertEqual(daemon.mount(name, self.images[3], settings)[0], 204)
                self.assert_shows(daemon.path(name[1:]), 3)

    def test_folders_that_come_and_go_with_their_mounts_show_each_new_one(self):
        with Daemon() as daemon:
            settings = self.settings(daemon)

            def client(number):
                for cycle in range(100):
                    name = f"/folder-{(number + cycle) % 3}/mount-{number}"
                    self.assertEqual(daemon.mount(name, self.images[number], settings)[0], 204)
                    self.assert_shows(daemon.path(name[1:]), number)
                    self.assertIn(f"mount-{number}", os.listdir(os.path.dirname(daemon.path(name[1:]))))
                    self.assertEqual(daemon.umount(name)[0], 204)
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                list(pool.map(client, range(4)))
            self.assertEqual(os.listdir(daemon.mountpoint), [])

    def test_readers_of_other_mounts_see_nothing_of_mounts_that_come_and_go(self):
        with Daemon() as daemon:
            settings, stop, wrong = self.settings(daemon), threading.Event(), []
            self.assertEqual(daemon.mount("/steady", self.images[0], settings)[0], 204)

            def watch():
                while not stop.is_set():
                    try:
                        self.assert_shows(daemon.path("steady"), 0)
                    except Exception as why:  # pylint: disable=broad-except
                        wrong.append(why)
                        return
            thread = threading.Thread(target=watch)
            thread.start()
            for cycle in range(100):
                name = f"/other-{cycle % 5}"
                self.assertEqual(daemon.mount(name, self.images[cycle % self.COUNT], settings)[0], 204)
                reader = subprocess.Popen(["tar", "-cf", "/dev/null", "-C", daemon.path(name[1:]), "."], stderr=subprocess.DEVNULL)
                self.assertEqual(daemon.umount(name)[0], 204)
                reader.wait(20)
            stop.set()
            thread.join()
            self.assertEqual(wrong, [])


@needs_fixtures
class PseudoMounts(unittest.TestCase):
    def test_a_listing_that_was_read_while_it_was_empty_shows_what_is_mounted_later(self):
        with Daemon() as daemon:
            self.assertEqual(os.listdir(daemon.mountpoint), [])
            for name in ("one", "two"):
                self.assertEqual(daemon.mount("/" + name, image(TREE_IMAGES[0]), config(BLOBS))[0], 204)
                self.assertIn(name, os.listdir(daemon.mountpoint))
            listed = subprocess.run(["ls", "-a", daemon.mountpoint], capture_output=True, check=True).stdout
            self.assertEqual(listed.split(), [b".", b"..", b"one", b"two"])

    def test_a_thousand_mounts_live_side_by_side(self):
        with Daemon() as daemon:
            settings, names = config(BLOBS), {f"m{number}" for number in range(1000)}
            for name in names:
                self.assertEqual(daemon.mount("/" + name, image(TREE_IMAGES[0]), settings)[0], 204)
            self.assertEqual(set(os.listdir(daemon.mountpoint)), names)
            self.assertEqual(len(daemon.call("GET", "/api/v1/daemon")[1]["backend_collection"]), 1000)
            self.assertEqual(len({os.stat(daemon.path(name, "special")).st_ino for name in names}), 1000)

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
            self.assertEqual(daemon.mount("/y", image("v6-zstd-batch"), settings)[0], 501)
            self.assertEqual(daemon.umount("/nope")[0], 500)

    def test_nested_mountpoints_may_be_raw_or_percent_encoded(self):
        with Daemon() as daemon:
            body = {"source": image(TREE_IMAGES[0]), "fs_type": "rafs", "config": json.dumps(config(BLOBS))}
            for written in ("/rafs/cid-1/lowerdir", "%2Frafs%2Fcid-1%2Flowerdir", "//rafs/./cid-1//lowerdir/"):
                self.assertEqual(daemon.call("POST", "/api/v1/mount?mountpoint=" + written, body)[0], 204)
                self.assertEqual(os.listdir(daemon.path("rafs")), ["cid-1"])
                self.assertIn("special", os.listdir(daemon.path("rafs/cid-1/lowerdir")))
                self.assertEqual(daemon.call("DELETE", "/api/v1/mount?mountpoint=" + written)[0], 204)
                self.assertEqual(os.listdir(daemon.mountpoint), [])
            odd = "/with space+plus/\u00fcmlaut"
            self.assertEqual(daemon.mount(odd, image(TREE_IMAGES[0]), config(BLOBS))[0], 204)
            self.assertIn("special", os.listdir(daemon.path(odd[1:])))
            self.assertEqual(daemon.umount(odd)[0], 204)

    def test_the_oldest_form_of_mount_is_understood(self):
        with Daemon() as daemon:
            path = os.path.join(daemon.directory, "config.json")
            with open(path, "w") as file:
                json.dump({"device_config": config(BLOBS)["device"]}, file)
            body = {"source": image(TREE_IMAGES[0]), "fstype": "rafs", "mountpoint": "pseudo_1", "config": path}
            self.assertEqual(daemon.call("PUT", "/api/v1/mount", body)[0], 204)
            self.assertEqual(harness.differences(harness.tree(daemon.path("pseudo_1")), manifest("tree")), [])
            update = {**body, "source": image("v5-layered-upper"), "ops": "update", "config": json.dumps(config(BLOBS))}
            self.assertEqual(daemon.call("PUT", "/api/v1/mount", update)[0], 204)
            self.assertEqual(harness.differences(harness.tree(daemon.path("pseudo_1")), manifest("layered")), [])
            self.assertEqual(daemon.call("PUT", "/api/v1/mount", {"mountpoint": "pseudo_1", "ops": "umount"})[0], 204)
            self.assertEqual(os.listdir(daemon.mountpoint), [])
            for wrong, status in (({"mountpoint": "pseudo_1", "ops": "umount"}, 500), ({**body, "ops": "explode"}, 500),
                                  ({"ops": "mount"}, 400), ({**body, "config": "/no/such"}, 500)):
                self.assertEqual(daemon.call("PUT", "/api/v1/mount", wrong)[0], status, wrong)
            # Without a configuration of its own or of the daemon's there is nothing to read blobs from.
            status, why = daemon.call("PUT", "/api/v1/mount", {"source": image(TREE_IMAGES[0]), "mountpoint": "/q"})
            self.assertEqual(status, 500)
            self.assertIn("--config", why["message"])
        with tempfile.NamedTemporaryFile("w") as own, Daemon("--config", own.name) as daemon:
            pass  # an empty file as configuration does not hinder a start without an image
        with tempfile.NamedTemporaryFile("w") as own:
            json.dump(config(BLOBS), own)
            own.flush()
            with Daemon("--config", own.name) as daemon:
                self.assertEqual(daemon.call("PUT", "/api/v1/mount", {"source": image(TREE_IMAGES[0]), "mountpoint": "foo/bar"})[0], 204)
                self.assertIn("special", os.listdir(daemon.path("foo/bar")))
