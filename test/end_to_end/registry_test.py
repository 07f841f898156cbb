# SPDX-License-Identifier: Apache-2.0
"""Images whose blobs lie in a real registry."""
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import harness
import random_tree
import registry
from harness import Daemon, build_image
from registry import USER, Registry

REPO = "library/some-image"


@unittest.skipUnless(registry.PROGRAM, "no docker-registry: ./check.sh end_to_end fetches it, or install Debian's package of that name")
class FromRegistry(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="nydusd-registry-")
        source = os.path.join(cls.folder, "source")
        cls.blobs = os.path.join(cls.folder, "blobs")
        os.mkdir(source), os.mkdir(cls.blobs)
        random_tree.grow(source, 7, 60)
        with open(source + "/large", "wb") as file:
            file.write(os.urandom(8 << 20))
        cls.boots = [build_image(source, cls.blobs, os.path.join(cls.folder, "boot" + version), "--whiteout-spec", "none",
                                 "--fs-version", version) for version in ("5", "6")]
        cls.wanted = harness.tree(source)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def registry(self, **more):
        folder = tempfile.mkdtemp(dir=self.folder)
        made = self.enterContext(Registry(folder, **more))
        for blob in os.listdir(self.blobs):
            made.push(REPO, blob, os.path.join(self.blobs, blob))
        return made

    def assert_shows(self, daemon, mountpoint):
        found = harness.tree(daemon.path(mountpoint))
        for path, entry in self.wanted.items():
            if entry["mtime"] < 10**9:  # second 0 means "not known": the daemon shows its own start
                found[path]["mtime"] = entry["mtime"]
        self.assertEqual(harness.differences(found, self.wanted), [])

    def test_every_byte_comes_from_the_registry_and_then_from_the_cache(self):
        server = self.registry()
        for boot in self.boots:
            with self.subTest(boot), Daemon() as daemon:
                settings = registry.config(server, REPO, daemon.directory + "/cache")
                self.assertEqual(daemon.mount("/image", boot, settings)[0], 204)
                self.assert_shows(daemon, "image")
                server.stop()
                harness.drop_page_cache()
                self.assert_shows(daemon, "image")
                server.start()

    def test_a_guarded_registry_wants_the_right_password_which_may_come_later(self):
        server = self.registry(guarded=True)
        with Daemon() as daemon:
            settings = registry.config(server, REPO, daemon.directory + "/cache", auth=USER)
            self.assertEqual(daemon.mount("/right", self.boots[0], settings)[0], 204)
            self.assert_shows(daemon, "right")
            settings = registry.config(server, REPO, daemon.directory + "/other-cache", auth="dXNlcjp3cm9uZw==")
            self.assertEqual(daemon.mount("/wrong", self.boots[0], settings)[0], 204)
            with self.assertRaises(OSError):
                harness.md5_of(daemon.path("wrong", "large"))
            self.assertEqual(daemon.call("PUT", "/api/v1/config?id=%2Fwrong", {"registry_auth": USER})[0], 204)
            self.assert_shows(daemon, "wrong")
            shown = daemon.call("GET", "/api/v1/daemon")[1]
            self.assertNotIn(USER, str(shown))

    def test_the_environment_may_bring_the_password(self):
        server = self.registry(guarded=True)
        settings = os.path.join(self.folder, "config.json")
        with open(settings, "w") as file:
            file.write(harness.json.dumps(registry.config(server, REPO, os.path.join(self.folder, "env-cache"))))
        os.environ["IMAGE_PULL_AUTH"] = USER
        self.addCleanup(os.environ.pop, "IMAGE_PULL_AUTH")
        with Daemon("--config", settings, "--bootstrap", self.boots[1]) as daemon:
            self.assert_shows(daemon, "")

    def test_certificates_are_verified_unless_the_configuration_says_otherwise(self):
        server = self.registry(encrypted=True)
        with Daemon() as daemon:
            for name, more, is_read in (("unknown", {"retry_limit": 1}, False), ("known", {"ca_cert_files": [server.certificate]}, True),
                                        ("any", {"skip_verify": True}, True)):
                settings = registry.config(server, REPO, f"{daemon.directory}/cache-{name}", **more)
                self.assertEqual(daemon.mount("/" + name, self.boots[1], settings)[0], 204)
                if is_read:
                    self.assert_shows(daemon, name)
                else:
                    with self.assertRaises(OSError):
                        harness.md5_of(daemon.path(name, "large"))

    def test_while_the_registry_hangs_others_read_and_it_can_be_unmounted_at_once(self):
        server = self.registry()
        with Daemon() as daemon:
            slow = registry.config(server, REPO, daemon.directory + "/slow", timeout=60, connect_timeout=60)
            self.assertEqual(daemon.mount("/slow", self.boots[0], slow)[0], 204)
            self.assertEqual(daemon.mount("/fast", self.boots[0], harness.config(self.blobs, daemon.directory + "/fast"))[0], 204)
            server.process.send_signal(signal.SIGSTOP)
            failures = []

            def read():
                try:
                    harness.md5_of(daemon.path("slow", "large"))
                except OSError as why:
                    failures.append(why)
            readers = [threading.Thread(target=read) for _ in range(8)]
            for reader in readers:
                reader.start()
            time.sleep(0.5)
            self.assert_shows(daemon, "fast")
            begin = time.monotonic()
            self.assertEqual(daemon.umount("/slow")[0], 204)
            for reader in readers:
                reader.join(10)
            self.assertEqual(len(failures), len(readers))
            self.assertLess(time.monotonic() - begin, 10)
            server.process.send_signal(signal.SIGCONT)

    def test_a_registry_that_restarts_is_waited_for(self):
        server = self.registry()
        with Daemon() as daemon:
            settings = registry.config(server, REPO, daemon.directory + "/cache", retry_limit=20)
            self.assertEqual(daemon.mount("/image", self.boots[1], settings)[0], 204)
            server.stop()
            reader = subprocess.Popen(["md5sum", daemon.path("image", "large")], stdout=subprocess.PIPE)
            time.sleep(0.5)
            server.start()
            self.assertEqual(reader.communicate(timeout=60)[0].split()[0].decode(), harness.md5_of(self.folder + "/source/large"))

    def test_a_blob_that_the_registry_lacks_fails_its_readers_and_is_asked_for_again(self):
        server = self.registry()
        with Daemon() as daemon:
            settings = registry.config(server, "library/empty", daemon.directory + "/cache")
            self.assertEqual(daemon.mount("/image", self.boots[0], settings)[0], 204)
            with self.assertRaises(OSError):
                harness.md5_of(daemon.path("image", "large"))
            for blob in os.listdir(self.blobs):
                server.push("library/empty", blob, os.path.join(self.blobs, blob))
            self.assert_shows(daemon, "image")
