# SPDX-License-Identifier: Apache-2.0
"""Command lines and configurations, in every spelling that clients use, from file and API."""
import glob
import json
import os
import re
import subprocess
import tempfile
import unittest

import harness
from harness import BLOBS, NYDUSD, Daemon, TREE_IMAGES, build_image, config, image, manifest, needs_fixtures


def run(*options):
    return subprocess.run([NYDUSD, *options], capture_output=True, text=True, timeout=20, check=False)


def toml(cache):
    return f"""
version = 2
id = "test"
unknown = "passed over"
[backend]
type = "localfs"
[backend.localfs]
dir = "{BLOBS}"
[cache]
type = "filecache"
[cache.filecache]
work_dir = "{cache}"
[rafs]
mode = "direct"
enable_xattr = true
"""


def forms(cache):
    """The same settings in every form there is, by name."""
    localfs = {"type": "localfs", "config": {"dir": BLOBS, "readahead": False, "connect_timeout": 5}}
    kept = {"type": "blobcache", "config": {"work_dir": cache, "disable_indexed_map": False}, "compressed": False}
    return {
        "device_config": json.dumps({"device_config": {"backend": localfs, "cache": {"type": "blobcache", "config": {"work_dir": cache}}}}),
        "device_config without a cache": json.dumps({"device_config": {"backend": localfs, "cache": {}}}),
        "v1": json.dumps({"device": {"backend": localfs, "cache": kept, "id": "/sid"}, "mode": "direct", "digest_validate": False,
                          "enable_xattr": True, "id_mapping": [0, 0, 4294967295], "warmup": 5, "external_backend": {"config_path": ""},
                          "fs_prefetch": {"enable": False, "prefetch_all": False}}),
        "v1, cached": json.dumps({"device": {"backend": localfs, "cache": {**kept, "validate": True}}, "mode": "cached", "amplify_io": 0,
                                  "iostats_files": True, "digest_validate": True}),
        "v1, filecache and alt_dirs": json.dumps({"device": {"backend": {"type": "localfs", "config": {
            "dir": "/var/empty", "alt_dirs": [BLOBS]}}, "cache": {**kept, "type": "filecache"}}, "mode": "direct"}),
        "v2 JSON": json.dumps({"version": 2, "backend": {"type": "localfs", "localfs": {"dir": BLOBS, "more": 1}, "oss": None},
                               "cache": {"type": "filecache", "filecache": {"work_dir": cache}, "fscache": None,
                                         "prefetch": {"enable": True, "threads": 2, "prefetch_all": True}}, "rafs": {"mode": "direct"}}),
        "v2 JSON without a cache": json.dumps({"version": 2, "backend": {"type": "localfs", "localfs": {"dir": BLOBS}}}),
        "v2 TOML": toml(cache),
    }


@needs_fixtures
class Configurations(unittest.TestCase):
    def test_every_form_mounts_from_the_api_and_from_a_file(self):
        wanted = manifest("layered")
        with Daemon() as daemon:
            for name, text in forms(daemon.directory + "/cache").items():
                body = {"source": image("v5-layered-upper"), "fs_type": "rafs", "config": text}
                with self.subTest(name):
                    self.assertEqual(daemon.call("POST", "/api/v1/mount?mountpoint=/m", body), (204, None))
                    self.assertEqual(harness.differences(harness.tree(daemon.path("m")), wanted), [])
                    self.assertEqual(daemon.umount("/m")[0], 204)
        with tempfile.TemporaryDirectory() as folder:
            for name, text in forms(folder + "/cache").items():
                with open(folder + "/config", "w") as file:
                    file.write(text)
                with self.subTest(name, by="file"), \
                        Daemon("--config", folder + "/config", "--bootstrap", image("v5-layered-upper")) as daemon:
                    self.assertEqual(harness.differences(harness.tree(daemon.mountpoint), wanted), [])

    def test_one_blob_file_serves_an_image_of_one_blob(self):
        blob, = [path for path in glob.glob(BLOBS + "/e0b9f6be*")]
        with Daemon() as daemon:
            settings = config(BLOBS)
            settings["device"]["backend"]["config"] = {"blob_file": blob}
            self.assertEqual(daemon.mount("/m", image(TREE_IMAGES[0]), settings)[0], 204)
            self.assertEqual(harness.differences(harness.tree(daemon.path("m")), manifest("tree")), [])

    def test_wrong_ones_name_the_field_its_value_and_what_would_be_right(self):
        right = config(BLOBS, "/tmp")

        def changed(path, value):
            settings = json.loads(json.dumps(right))
            inner = settings
            for step in path[:-1]:
                inner = inner.setdefault(step, {})
            inner[path[-1]] = value
            return settings
        with Daemon() as daemon:
            for path, value, words in (
                    (["mode"], "sideways", ["mode", "sideways", "direct"]), (["device", "backend", "type"], "ftp", ["type", "ftp", "localfs"]),
                    (["device", "backend", "type"], "localdisk", ["this build has no localdisk backend"]),
                    (["device", "backend", "config"], {}, ["dir", "missing"]), (["device", "cache", "type"], "fscache", ["fscache", "blobcache"]),
                    (["device", "cache", "compressed"], "yes", ["compressed", "yes", "true or false"]),
                    (["amplify_io"], -1, ["amplify_io", "-1", "268435456"]), (["amplify_io"], 1 << 40, ["amplify_io", str(1 << 40)]),
                    (["fs_prefetch"], {"enable": True, "threads_count": 0}, ["threads_count", "0", "1024"]),
                    (["id_mapping"], [1], ["id_mapping", "three"]), (["enable_xattr"], 1, ["enable_xattr", "1", "true"])):
                status, why = daemon.mount("/m", image(TREE_IMAGES[0]), changed(path, value))
                self.assertGreaterEqual(status, 500, path)
                for word in words:
                    self.assertIn(word, why["message"], path)
            self.assertEqual(os.listdir(daemon.mountpoint), [])


@needs_fixtures
class CommandLine(unittest.TestCase):
    def test_options_stand_before_or_behind_the_subcommand_in_old_and_new_spelling(self):
        wanted = set(os.listdir(BLOBS))
        boot = image(TREE_IMAGES[0])
        with tempfile.TemporaryDirectory() as folder:
            for blob in wanted:
                os.symlink(os.path.join(BLOBS, blob), os.path.join(folder, blob))
            for options in (["--bootstrap", boot, "--localfs-dir", folder], ["-B", boot, "-D", folder, "fuse"],
                            ["fuse", "--metadata", boot, "-D", folder, "--thread-num", "10", "--failover-policy", "resend"],
                            ["--log-level", "WARN", "--fuse-threads", "2", "fuse", f"--bootstrap={boot}", f"--localfs-dir={folder}"],
                            ["-B", boot, "-D", folder, "--backend-source", "https://example.org", "--writable", "-l", "error"],
                            ["-B", boot, "-D", folder, "--prefetch-files", "/special", "/deep", "--log-level", "error"],
                            ["-B", boot, "-D", folder, "--virtual-mountpoint", "/v/w", "--id", "x", "--supervisor", "/tmp/none"]):
                with self.subTest(options), Daemon(*options) as daemon:
                    root = daemon.path("v/w" if "--virtual-mountpoint" in options else "")
                    self.assertIn("special", os.listdir(root))
                    with open("/proc/mounts") as mounts:
                        line, = [one for one in mounts if daemon.mountpoint in one]
                    self.assertRegex(line, "^rafs .* fuse ro,nosuid,nodev,.*default_permissions,allow_other,max_read=1052672")

    def test_wrong_lines_end_with_2_and_failures_with_1_and_both_say_why(self):
        with tempfile.TemporaryDirectory() as folder:
            mount = ["--mountpoint", folder]
            with open(folder + "/list", "w") as file:
                file.write("/right\nrelative/path\n")
            for options, status, word in (
                    ([], 2, "--mountpoint"), (["--colour"], 2, "--colour"), ([*mount, "--fuse-threads", "0"], 2, "1024"),
                    ([*mount, "--fuse-threads", "1025"], 2, "1024"), ([*mount, "-D", folder, "-C", "/x"], 2, "--config"),
                    ([*mount, "--supervisor", "/x"], 2, "--id"), ([*mount, "--prefetch-files", "/x"], 2, "--bootstrap"),
                    ([*mount, "--log-level", "loud"], 2, "loud"), (["--mountpoint", "/no/such"], 1, "/no/such"),
                    (["--mountpoint", "/etc/passwd"], 1, "no directory"), ([*mount, "-B", "/no/such", "-D", folder], 1, "/no/such"),
                    ([*mount, "-B", image("v6-zstd-batch"), "-D", folder], 1, "BATCH"), ([*mount, "-B", image(TREE_IMAGES[0]), "-C", "/no/such"], 1, "/no/such"),
                    ([*mount, "-B", image(TREE_IMAGES[0])], 1, "--config"), ([*mount, "--apisock", "/no/such/socket"], 1, "/no/such/socket"),
                    ([*mount, "-B", image(TREE_IMAGES[0]), "-D", folder, "--prefetch-files", folder + "/list"], 1, "relative/path"),
                    ([*mount, "--log-file", "/proc/no/log"], 1, "/proc/no")):
                ended = run(*options)
                self.assertEqual(ended.returncode, status, (options, ended.stderr))
                self.assertIn(word, ended.stderr, options)
                self.assertNotIn(folder, open("/proc/mounts").read(), options)

    def test_version_and_help_end_well_and_the_commit_is_that_of_the_api(self):
        self.assertEqual(run("--help").returncode, 0)
        for line in (["--version"], ["-V"], ["fuse", "--version"]):
            shown = run(*line)
            self.assertEqual(shown.returncode, 0)
            commit = re.search(r"Git Commit:\s*(.+)", shown.stdout)[1]
            with self.subTest(line), Daemon() as daemon:
                self.assertEqual(daemon.call("GET", "/api/v1/daemon")[1]["version"]["git_commit"], commit)

    def test_a_prefetch_list_names_what_is_fetched_before_anyone_reads(self):
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(folder + "/source/first"), os.mkdir(folder + "/blobs")
            for name, size in (("first/a", 3 << 20), ("first/b", 100000), ("second", 5 << 20)):
                with open(f"{folder}/source/{name}", "wb") as file:
                    file.write(os.urandom(size))
            boot = build_image(folder + "/source", folder + "/blobs", folder + "/boot", "--compressor", "none")
            with open(folder + "/list", "w") as file:
                file.write("\n  /first/a  \n/no/such\n\n/first/b\n")
            with open(folder + "/config", "w") as file:
                json.dump(config(folder + "/blobs", folder + "/cache"), file)

            def fetched(daemon, query=""):
                harness.until(lambda: daemon.call("GET", "/api/v1/metrics/blobcache" + query)[1]["prefetch_end_time_secs"])
                return daemon.call("GET", "/api/v1/metrics/blobcache" + query)[1]["prefetch_data_amount"]
            with Daemon("-B", boot, "-C", folder + "/config", "--prefetch-files", folder + "/list") as daemon:
                self.assertEqual(fetched(daemon), (3 << 20) + 100000)
            with Daemon() as daemon:
                for number, (files, amount) in enumerate(((["/first/b"], 100000), (["/first"], (3 << 20) + 100000),
                                                          (["/"], (8 << 20) + 100000))):
                    settings = config(folder + "/blobs", f"{folder}/cache-{number}")
                    self.assertEqual(daemon.mount(f"/m{number}", boot, settings, prefetch_files=files)[0], 204)
                    self.assertEqual(fetched(daemon, f"?id=/m{number}"), amount)

    def test_a_log_file_rotates_and_gets_its_ending(self):
        with tempfile.TemporaryDirectory() as folder:
            with Daemon("--log-file", folder + "/daemon", "--log-rotation-size", "1", "--log-level", "trace") as daemon:
                for _ in range(120):  # each refusal is a line of 12 KiB
                    daemon.call("POST", "/api/v1/mount?mountpoint=/x", {"source": "/" + "s" * 12000, "config": json.dumps(config(BLOBS))})
                harness.until(lambda: os.path.exists(folder + "/daemon.1.log"))
            sizes = [os.path.getsize(path) for path in glob.glob(folder + "/daemon*")]
            self.assertLessEqual(max(sizes), 1 << 20)
            with open(folder + "/daemon.1.log") as log:
                self.assertIn("INFO nydusd ", log.readline())
