# SPDX-License-Identifier: Apache-2.0
"""nydus-image: what it builds is mounted with our nydusd and compared with its source, and byte for byte with what the public
builder makes: with the fixtures, and where NYDUS_IMAGE_PEER names its binary with images of random trees (NYDUS_TEST_TREES)."""
import glob
import json
import os
import pty
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import bootstrap
import harness
import random_tree
from harness import BLOBS, Daemon, FIXTURES, MADE, NYDUS_IMAGE, TREE_IMAGES, config, image, manifest

PEER = os.environ.get("NYDUS_IMAGE_PEER", "")
TREES = int(os.environ.get("NYDUS_TEST_TREES", "20"))
CUT_CONNECTION = 1 << 20


def read(path):
    with open(path, "rb") as file:
        return file.read()


def create(*options, program=NYDUS_IMAGE, **more):
    return subprocess.run([program, "create", "--log-level", "warn", "--fs-version", "5", *options], capture_output=True, check=False,
                          timeout=300, **{"stdin": subprocess.DEVNULL} | ({} if "input" not in more else {"stdin": None}) | more)


class Folder(unittest.TestCase):
    """A folder with source/ and blobs/ for each test."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nydus-image-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.source, self.blobs, self.boot = (os.path.join(self.folder, name) for name in ("source", "blobs", "boot"))
        os.mkdir(self.source), os.mkdir(self.blobs)

    def create(self, *options, source=None, boot=None, **more):
        built = create(*options, "--blob-dir", self.blobs, "--bootstrap", boot or self.boot, source or self.source, **more)
        self.assertEqual(built.returncode, 0, built.stderr)
        return built

    def assert_shows(self, daemon, boot, wanted):
        self.assertEqual(daemon.mount("/built", boot, config(self.blobs, os.path.join(daemon.directory, "cache")))[0], 204)
        self.assert_same_tree(harness.tree(daemon.path("built")), wanted)
        self.assertEqual(daemon.umount("/built")[0], 204)

    def assert_same_tree(self, found, wanted):
        for path, entry in wanted.items():
            if entry["mtime"] < 10**9 and path in found:  # second 0 means "not known": the daemon shows its own start
                found[path]["mtime"] = entry["mtime"]
        self.assertEqual(harness.differences(found, wanted), [])

    def leftovers(self):
        return [name for folder in (self.folder, self.blobs) for name in os.listdir(folder) if name.startswith(".nydus-image")]


class Built(Folder):
    def test_a_mounted_image_is_its_source_whatever_it_was_built_with(self):
        random_tree.grow(self.source, 1, 120)
        wanted = harness.tree(self.source)
        with Daemon() as daemon:
            for options in (["--compressor", "none"], ["--compressor", "lz4_block", "--digester", "sha256"], ["--compressor", "zstd"],
                            ["--chunk-size", "0x1000"], ["--chunk-size", "0x1000000", "--aligned-chunk"]):
                with self.subTest(options):
                    self.create("--whiteout-spec", "none", *options)
                    checked = subprocess.run([NYDUS_IMAGE, "check", "--bootstrap", self.boot, "--blob-dir", self.blobs], capture_output=True)
                    self.assertEqual(checked.returncode, 0, checked.stderr)
                    self.assert_shows(daemon, self.boot, wanted)

    def test_an_image_of_one_layer_over_another_shows_both(self):
        for seed in range(3):
            for spec in ("oci", "overlayfs"):
                with self.subTest(spec=spec, seed=seed), Daemon() as daemon:
                    lower, upper, both = (os.path.join(self.folder, f"{name}-{spec}-{seed}") for name in ("lower", "upper", "both"))
                    os.mkdir(lower), os.mkdir(upper)
                    random_tree.grow(lower, seed, 80)
                    random_tree.grow(upper, seed + 100, 60, whiteouts=spec)
                    subprocess.run(["cp", "-a", lower, both], check=True)
                    lay_over(both, upper, spec)
                    self.create("--whiteout-spec", "none", source=lower)
                    self.create("--whiteout-spec", spec, "--parent-bootstrap", self.boot, source=upper, boot=self.boot + "-upper")
                    wanted = harness.tree(both)
                    self.assertEqual(daemon.mount("/both", self.boot + "-upper", config(self.blobs))[0], 204)
                    found = harness.tree(daemon.path("both"))
                    for entry in list(wanted.values()) + list(found.values()):
                        entry.pop("nlink", None)  # links never join across layers
                    self.assert_same_tree(found, wanted)

    def test_a_directory_of_many_entries_is_listed_whole(self):
        names = {f"{number:06}" for number in range(int(os.environ.get("NYDUS_TEST_ENTRIES", "100000")))}
        for name in names:
            os.mknod(os.path.join(self.source, name))
        with Daemon() as daemon:
            self.create()
            self.assertEqual(daemon.mount("/many", self.boot, config(self.blobs))[0], 204)
            self.assertEqual(set(os.listdir(daemon.path("many"))), names)
            self.assertFalse(os.path.exists(daemon.path("many", "1000000")))

    def test_prefetch_fetches_what_the_image_names_before_anyone_reads(self):
        os.mkdir(self.source + "/deep")
        for name in ("deep/big", "other"):
            with open(os.path.join(self.source, name), "wb") as file:
                file.write(os.urandom(3 << 20))
        with Daemon() as daemon:
            self.create("--prefetch-policy", "fs", input=b"/deep\n")
            settings = config(self.blobs, daemon.directory + "/cache", fs_prefetch={"enable": True, "prefetch_all": False})
            self.assertEqual(daemon.mount("/ahead", self.boot, settings)[0], 204)
            for _ in range(100):
                metrics = daemon.call("GET", "/api/v1/metrics/blobcache?id=%2Fahead")[1]
                if metrics["prefetch_end_time_secs"]:
                    break
                time.sleep(0.05)
            self.assertGreaterEqual(metrics["prefetch_data_amount"], 3 << 20)

    def test_a_blob_written_to_a_fifo_and_one_with_its_bootstrap_inside_are_mounted(self):
        random_tree.grow(self.source, 2)
        wanted = harness.tree(self.source)
        fifo = os.path.join(self.folder, "fifo")
        os.mkfifo(fifo)
        for inside in (False, True):
            with self.subTest(inside=inside), Daemon() as daemon, open(os.path.join(self.folder, "got"), "wb") as got:
                reader = subprocess.Popen(["cat", fifo], stdout=got)
                report = os.path.join(self.folder, "report")
                built = create("--whiteout-spec", "none", "--blob", fifo, "--output-json", report,
                               *(["--inline-bootstrap"] if inside else ["--bootstrap", self.boot]), self.source)
                self.assertEqual(built.returncode, 0, built.stderr)
                self.assertEqual(reader.wait(10), 0)
                blob = os.path.join(self.blobs, json.loads(read(report))["blobs"][0])
                os.rename(got.name, blob)
                self.assert_shows(daemon, blob if inside else self.boot, wanted)


def lay_over(lower, upper, spec):
    """Makes `lower`, on disk, what it is below the layer `upper`."""
    entries = sorted(os.listdir(upper), key=os.fsencode)
    kept = []

    def drop(path):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
    for name in entries:
        status = os.lstat(os.path.join(upper, name))
        if spec == "oci" and name.startswith(".wh.") and name.isprintable():
            if name == ".wh..wh..opq":
                for below in os.listdir(lower):
                    drop(os.path.join(lower, below))
            else:
                drop(os.path.join(lower, name[4:]))
        elif spec == "overlayfs" and status.st_mode & 0o170000 == 0o020000 and status.st_rdev == 0:
            drop(os.path.join(lower, name))
        else:
            kept.append(name)
    for name in kept:
        above, below = os.path.join(upper, name), os.path.join(lower, name)
        if not os.path.isdir(above) or os.path.islink(above):
            drop(below)
            subprocess.run(["cp", "-a", above, below], check=True)
            continue
        opaque = spec == "overlayfs" and "trusted.overlay.opaque" in os.listxattr(above)
        if opaque or not os.path.isdir(below) or os.path.islink(below):
            drop(below)
            os.mkdir(below)
        for attribute in os.listxattr(below):
            os.removexattr(below, attribute)
        lay_over(below, above, spec)
        copy_attributes(above, below)
        if opaque:
            os.removexattr(below, "trusted.overlay.opaque")


def copy_attributes(source, target):
    status = os.stat(source)
    for attribute in os.listxattr(source):
        os.setxattr(target, attribute, os.getxattr(source, attribute))
    os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, status.st_mode & 0o7777)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


class Refusals(Folder):
    def test_wrong_calls_say_what_would_be_right(self):
        for options, status, word in ((["--chunk-size", "5", "-D", "/tmp", "/"], 2, "--chunk-size"), (["/"], 2, "--blob-dir"),
                                      (["--batch-size", "4096", "-D", "/tmp", "/"], 2, "RAFS v5"), (["-D", "/tmp", "/no/such"], 1, "/no/such"),
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
                while reader.read(CUT_CONNECTION):
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
            while reader.read(CUT_CONNECTION):
                time.sleep(0.05)
        self.assertEqual(build.wait(20), 0)
        self.assertRegex(os.read(terminal, 65536).decode(), r"\d+ of 20 MiB")
        os.close(terminal)
        self.assertEqual(self.create().stderr, b"")


@unittest.skipUnless(os.path.isdir(MADE), "no fixture images: set NYDUS_FIXTURES")
class Fixtures(Folder):
    OPTIONS = {"v5-lz4_block-blake3": ["--compressor", "lz4_block"],
               "v5-zstd-sha256-4k": ["--compressor", "zstd", "--digester", "sha256", "--chunk-size", "0x1000"],
               "v5-none-aligned-prefetch": ["--compressor", "none", "--aligned-chunk", "--prefetch-policy", "fs"]}

    def test_the_tree_of_the_fixtures_gives_the_image_that_the_public_builder_made_of_it(self):
        source = os.path.join(self.folder, "copy")
        with Daemon() as daemon:
            self.assertEqual(daemon.mount("/x", image("v5-none-aligned-prefetch"), config(BLOBS))[0], 204)
            subprocess.run(["cp", "-a", daemon.path("x"), source], check=True)
            for name in TREE_IMAGES:
                with self.subTest(name):
                    self.create("--whiteout-spec", "none", *self.OPTIONS[name], source=source, input=b"/special/big-text\n")
                    theirs, ours = read(image(name)), read(self.boot)
                    is_raw = "none" in name
                    self.assertEqual("none", bootstrap.first_difference(bootstrap.normalized(ours, not is_raw),
                                                                        bootstrap.normalized(theirs, not is_raw)))
                    if is_raw:
                        self.assertEqual(bootstrap.blob_ids(ours), bootstrap.blob_ids(theirs))
                    self.assert_shows(daemon, self.boot, manifest("tree"))

    def test_every_fixture_of_rafs_v5_passes_the_check(self):
        for path in glob.glob(os.path.join(MADE, "v5-*.boot")) + glob.glob(os.path.join(FIXTURES, "rafs-v5*", "*repeatable")):
            with self.subTest(path):
                checked = subprocess.run([NYDUS_IMAGE, "check", "-B", path], capture_output=True)
                self.assertEqual(checked.returncode, 0, checked.stderr)
                self.assertIn(b"RAFS filesystem metadata is valid", checked.stdout)


@unittest.skipUnless(PEER, "NYDUS_IMAGE_PEER names no public nydus-image to compare with")
class Peer(Folder):
    def both(self, options, source, **more):
        """Builds with both programs; their bootstraps and blob directories."""
        made = []
        for name, program in (("ours", NYDUS_IMAGE), ("theirs", PEER)):
            blobs, boot = os.path.join(self.folder, name), os.path.join(self.folder, name + ".boot")
            os.makedirs(blobs, exist_ok=True)
            options_here = [word.replace("{name}", name).replace("{folder}", self.folder) for word in options]
            where = [] if "--blob-inline-meta" in options else ["--bootstrap", boot]
            built = create(*options_here, "--blob-dir", blobs, *where, source, program=program, **more)
            self.assertEqual(built.returncode, 0, (name, built.stderr[-1000:]))
            made.append((boot, blobs))
        return made

    def assert_same(self, what, ours, theirs):
        ours, theirs = read(ours), read(theirs)
        is_raw = bootstrap.blob_ids(ours) == bootstrap.blob_ids(theirs)
        difference = bootstrap.first_difference(bootstrap.normalized(ours, not is_raw), bootstrap.normalized(theirs, not is_raw))
        self.assertEqual("none", difference, what)
        return is_raw

    def test_images_of_random_trees_are_the_same_byte_for_byte(self):
        first = int(os.environ.get("NYDUS_TEST_SEED", "0"))
        same_blobs = 0
        for seed in range(first, first + TREES):
            dice = random.Random(seed)
            shutil.rmtree(self.source)
            os.mkdir(self.source)
            random_tree.grow(self.source, seed, dice.choice([0, 1, 30, 100]))
            compressor = dice.choice(["none", "none", "lz4_block", "zstd"])
            common = ["--compressor", compressor, "--digester", dice.choice(["blake3", "sha256"]),
                      "--chunk-size", dice.choice(["0x1000", "0x10000", "0x100000", "0x1000000"])]
            common += dice.choice([[], [], ["--repeatable"]]) + dice.choice([[], ["--aligned-chunk"]])
            spec = dice.choice(["oci", "overlayfs", "none"])
            policy = dice.choice(["none", "fs", "blob"])
            options = [*common, "--whiteout-spec", spec, "--prefetch-policy", policy]
            if dice.random() < 0.2:
                options += ["--blob-id", "a-blob"]
            paths = "\n".join(random_tree.some_paths(self.source, seed)).encode()
            with self.subTest(seed=seed, options=options, paths=paths):
                (ours, _), (theirs, _) = self.both(options, self.source, input=paths)
                is_same = self.assert_same(options, ours, theirs)
                self.assertTrue(is_same or compressor != "none")
                same_blobs += is_same
                if dice.random() < 0.6:  # a second layer over it
                    upper = os.path.join(self.folder, f"upper-{seed}")
                    os.mkdir(upper)
                    spec = dice.choice(["oci", "overlayfs", "none"])
                    random_tree.grow(upper, seed + 1000 if dice.random() < 0.5 else seed, 50, whiteouts=spec)
                    options = [*common, "--whiteout-spec", spec, "--parent-bootstrap", "{folder}/{name}.parent", "--prefetch-policy", policy]
                    for boot in (ours, theirs):
                        os.rename(boot, boot[:-5] + ".parent")
                    (ours, _), (theirs, _) = self.both(options, upper, input=paths)
                    self.assert_same(options, ours, theirs)
                    shutil.rmtree(upper)
                elif dice.random() < 0.5:  # an image that refers to it
                    for boot in (ours, theirs):
                        os.rename(boot, boot[:-5] + ".dictionary")
                    random_tree.grow(self.source, seed + 5000, 20)
                    options = [*common, "--chunk-dict", "bootstrap={folder}/{name}.dictionary"]
                    (ours, _), (theirs, _) = self.both(options, self.source)
                    self.assert_same(options, ours, theirs)
        print(f"{same_blobs} of {TREES} first layers have the same blob too", end=" ", flush=True)

    def test_a_blob_with_its_bootstrap_inside_is_the_same(self):
        random_tree.grow(self.source, 3, 60)
        for folder, names, others in os.walk(self.source):  # the order of attributes is the public builder's chance
            for path in [self.source] + [os.path.join(folder, name) for name in names + others]:
                for attribute in os.listxattr(path, follow_symlinks=False)[1:]:
                    os.removexattr(path, attribute, follow_symlinks=False)
        (_, ours), (_, theirs) = self.both(["--compressor", "none", "--blob-inline-meta"], self.source)
        self.assertEqual(os.listdir(ours), os.listdir(theirs))

    def test_each_program_accepts_the_others_images(self):
        random_tree.grow(self.source, 4, 60)
        (ours, _), (theirs, _) = self.both(["--compressor", "zstd"], self.source)
        for program, boot in ((NYDUS_IMAGE, theirs), (PEER, ours)):
            checked = subprocess.run([program, "check", "--bootstrap", boot], capture_output=True)
            self.assertEqual(checked.returncode, 0, checked.stderr)


if __name__ == "__main__":
    harness.main()
