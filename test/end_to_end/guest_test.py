# SPDX-License-Identifier: Apache-2.0
"""The daemon behind QEMU: a Debian kernel under emulation mounts the daemon's file system by virtio-fs and reads images
that other builders made. Needs root, QEMU, busybox and the kernel that check.sh unpacks into build/guest."""
import json
import os
import shutil
import signal
import tempfile
import time
import unittest

import guest
import harness
from guest import Guest, SocketDaemon, needs_guest
from harness import BLOBS, TREE_IMAGES, build_image, config, image, manifest, needs_fixtures

LAYERED = "v5-layered-upper"
LIST = "find . -mindepth 1 -maxdepth 1"  # ls would print ? for what is no ASCII


def root_names(wanted):
    """The names in an image's root, as GuestTest.names() gives them."""
    return sorted(path for path in wanted if "/" not in path)


@needs_fixtures
@needs_guest
class GuestTest(unittest.TestCase):
    """One daemon without images and one guest for all tests of a class; what a test mounts goes when it ends."""
    device = {}

    @classmethod
    def setUpClass(cls):
        cls.daemon = SocketDaemon("virtiofs")
        cls.addClassCleanup(cls.daemon.__exit__)
        cls.settings = config(BLOBS, os.path.join(cls.daemon.directory, "cache"))
        cls.start_guest()
        cls.addClassCleanup(lambda: cls.guest.stop())

    @classmethod
    def start_guest(cls):
        cls.guest = Guest(cls.daemon.vhost, **cls.device)
        cls.guest.mount()

    def setUp(self):
        if self.guest.process.poll() is not None:  # a test before has lost it
            self.start_guest()

    def tearDown(self):
        if self.guest.process.poll() is None:
            self.assertEqual(self.guest.complaints(), "")

    def mount(self, mountpoint, name, **more):
        status, answer = self.daemon.mount(mountpoint, image(name), self.settings, **more)
        self.assertEqual(status, 204, answer)
        self.addCleanup(self.daemon.umount, mountpoint)

    def umount(self, mountpoint):
        status, answer = self.daemon.umount(mountpoint)
        self.assertEqual(status, 204, answer)

    def names(self, folder):
        return sorted(line[2:] for line in self.guest.run(f"cd {folder} && {LIST}").splitlines())

    def ring_features(self):
        """Whether guest and daemon agreed on indirect descriptors and on the event index, a digit each."""
        return self.guest.run("cat /sys/bus/virtio/drivers/virtiofs/virtio*/features")[28:30]

    def assert_shows(self, folder, wanted):
        self.assertEqual(harness.differences(self.guest.tree(folder), wanted), [])


@unittest.skipIf(shutil.disk_usage("/dev/shm").free < guest.MEMORY, "/dev/shm is too small for a guest's memory")
class AsTheReadmeSays(GuestTest):
    """Memory in a file of /dev/shm, a queue of 1024, no indirect descriptors, no event index."""
    device = {"memory": "file", "device": ",queue-size=1024,indirect_desc=false,event_idx=false"}

    def test_two_images_mounted_over_the_api_show_every_attribute_and_byte(self):
        self.assertEqual(self.ring_features(), "00")
        settings = os.path.join(self.daemon.directory, "config.json")
        with open(settings, "w") as file:
            json.dump({"device_config": self.settings["device"]}, file)
        oldest = {"source": image(TREE_IMAGES[0]), "fstype": "rafs", "mountpoint": "pseudo_1", "config": settings}
        self.assertEqual(self.daemon.call("PUT", "/api/v1/mount", oldest)[0], 204)
        self.addCleanup(self.daemon.umount, "/pseudo_1")
        self.mount("/pseudo_2", LAYERED)
        self.assert_shows("/mnt/pseudo_1", manifest("tree"))
        self.assert_shows("/mnt/pseudo_2", manifest("layered"))
        self.assertEqual(self.names("/mnt"), ["pseudo_1", "pseudo_2"])

    def test_mounts_come_and_go_at_once_and_a_name_never_shows_the_image_it_had_before(self):
        images = [(TREE_IMAGES[0], manifest("tree")), (LAYERED, manifest("layered"))]
        self.mount("/stays", TREE_IMAGES[1])
        for cycle in range(10):
            name, wanted = images[cycle % 2]
            with self.subTest(cycle=cycle):
                self.assertNotEqual(self.guest.attempt("ls /mnt/a/b")[0], 0)
                self.mount("/a/b", name)
                self.assertEqual(self.names("/mnt/a/b"), root_names(wanted))
                self.guest.run("cd /mnt/a/b && { sleep 1000 & echo $! >>/tmp/sleepers; }")  # whose folder goes away
                self.umount("/a/b")
                self.assertEqual(self.names("/mnt"), ["stays"])
                self.assertEqual(self.guest.attempt("ls -d /mnt/a/b")[0], 1)
        self.mount("/a/b", LAYERED)
        # Whoever is still inside a mount that is gone sees an error or what the kernel kept of it, but never another image.
        for cycle, sleeper in enumerate(self.guest.run("cat /tmp/sleepers").split()):
            status, listed = self.guest.attempt(f"cd /proc/{sleeper}/cwd/ && {LIST}")
            if status == 0:
                names = sorted(line[2:] for line in listed.decode("latin-1").splitlines())
                self.assertIn(names, ([], root_names(images[cycle % 2][1])))
        self.guest.run("kill $(cat /tmp/sleepers)")
        self.assertEqual(self.names("/mnt/stays"), root_names(manifest("tree")))

    def test_an_image_replaced_by_put_is_shown_at_once(self):
        self.mount("/same", TREE_IMAGES[0])
        self.assertEqual(self.names("/mnt/same"), root_names(manifest("tree")))
        self.mount("/same", LAYERED, method="PUT")
        self.assert_shows("/mnt/same", manifest("layered"))

    def test_the_guest_reboots_while_it_reads_and_finds_its_mounts_again(self):
        self.mount("/pseudo_1", LAYERED)
        self.guest.start_reader("/mnt")
        self.guest.reboot()
        self.guest.mount()
        self.assert_shows("/mnt/pseudo_1", manifest("layered"))
        self.umount("/pseudo_1")
        self.assertEqual(self.names("/mnt"), [])

    def test_a_machine_that_dies_while_it_reads_leaves_the_daemon_and_its_mounts_to_the_next(self):
        self.mount("/pseudo_1", TREE_IMAGES[2])
        self.guest.start_reader("/mnt")
        self.guest.stop()
        self.assertEqual(self.daemon.call("GET", "/api/v1/daemon")[1]["state"], "RUNNING")
        self.mount("/between", LAYERED)
        self.start_guest()
        self.assertEqual(self.names("/mnt/pseudo_1"), root_names(manifest("tree")))
        self.assert_shows("/mnt/between", manifest("layered"))


class WithEveryFeature(GuestTest):
    """Memory in a memfd, indirect descriptors and event index, four request queues, two processors, the q35 machine."""
    device = {"machine": "q35", "cpus": 2, "device": ",indirect_desc=true,event_idx=true,num-request-queues=4"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.mkdtemp(prefix="nydusd-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        for folder in ("/blobs", "/source/bin", "/source/tmp"):
            os.makedirs(cls.folder + folder)
        shutil.copy(shutil.which("busybox"), cls.folder + "/source/bin")
        shutil.copy(guest.PROGRAM, cls.folder + "/source/bin")
        build_image(cls.folder + "/source", cls.folder + "/blobs", cls.folder + "/boot")

    def mount_programs(self, mountpoint):
        settings = config(self.folder + "/blobs", self.daemon.directory + "/cache")
        self.assertEqual(self.daemon.mount(mountpoint, self.folder + "/boot", settings)[0], 204)
        self.addCleanup(self.daemon.umount, mountpoint)

    def test_two_images_read_in_parallel_show_every_attribute_and_byte(self):
        self.assertEqual(self.ring_features(), "11")
        self.mount("/pseudo_1", TREE_IMAGES[1])
        self.mount("/pseudo_2", LAYERED)
        self.guest.run("for one in 1 2; do guest_program /mnt/pseudo_$one >/tmp/pseudo_$one & done; wait")
        for name, wanted in (("pseudo_1", manifest("tree")), ("pseudo_2", manifest("layered"))):
            entries = map(json.loads, self.guest.run(f"cat /tmp/{name}; rm /tmp/{name}").splitlines())
            self.assertEqual(harness.differences({entry.pop("path"): entry for entry in entries}, wanted), [])

    def test_programs_of_an_image_run_by_chroot(self):
        self.mount_programs("/programs")
        self.assertEqual(self.guest.run("chroot /mnt/programs /bin/busybox echo hello"), "hello\n")
        self.assertIn('"path": "busybox"', self.guest.run("chroot /mnt/programs /bin/guest_program /bin"))
        self.assert_shows("/mnt/programs", harness.tree(self.folder + "/source"))

    def test_containers_on_overlays_come_while_the_guest_runs_and_go_in_any_order(self):
        containers = ["one", "two", "three"]
        for container in containers:
            self.mount_programs(f"/rafs/{container}/lowerdir")
            self.guest.run(f"mkdir -p /tmp/{container}/upper /tmp/{container}/work /tmp/{container}/root && mount -t overlay overlay "
                           f"-o lowerdir=/mnt/rafs/{container}/lowerdir,upperdir=/tmp/{container}/upper,workdir=/tmp/{container}/work,"
                           f"index=off /tmp/{container}/root")
            self.guest.run(f"chroot /tmp/{container}/root /bin/busybox sh -c "
                           f"'echo {container} >/tmp/name; /bin/busybox mv /bin/guest_program /moved'")
        self.assertEqual(self.names("/mnt/rafs"), sorted(containers))
        for gone, left in (("two", ["one", "three"]), ("one", ["three"]), ("three", [])):
            self.guest.run(f"umount /tmp/{gone}/root")
            self.umount(f"/rafs/{gone}/lowerdir")
            for container in left:
                self.assertEqual(self.guest.run(f"chroot /tmp/{container}/root /bin/busybox cat /tmp/name"), container + "\n")
                self.assertIn("usage", self.guest.attempt(f"chroot /tmp/{container}/root /moved")[1].decode())
            self.assertEqual(self.names("/mnt/rafs") if left else self.names("/mnt"), sorted(left))

    def test_memory_is_added_and_removed_while_the_guest_reads(self):
        self.mount("/image", LAYERED)
        self.mount("/other", TREE_IMAGES[2])
        self.guest.start_reader("/mnt/other")
        self.guest.order("object-add", **{"qom-type": "memory-backend-memfd", "id": "more", "size": 128 << 20, "share": True})
        self.guest.order("device_add", driver="pc-dimm", id="dimm", memdev="more")
        # Movable, so that the page cache of what is read next lies in it.
        self.guest.run("until grep -q offline /sys/devices/system/memory/memory*/state; do :; done; "
                       "for block in $(grep -l offline /sys/devices/system/memory/memory*/state); do echo online_movable >$block; done")
        self.assertGreater(int(self.guest.run("awk '/^MemTotal/ {print $2}' /proc/meminfo")), guest.MEMORY >> 10)
        self.assert_shows("/mnt/image", manifest("layered"))
        self.guest.order("device_del", id="dimm")
        for _ in range(1000):
            if not self.guest.order("query-memory-devices"):
                break
            time.sleep(0.1)
        self.assertEqual(self.guest.order("query-memory-devices"), [])
        self.assertEqual(self.guest.errors_of_reader(), "")
        self.guest.run("kill $(cat /tmp/reader)")
        self.guest.run("echo 3 >/proc/sys/vm/drop_caches")
        self.assert_shows("/mnt/image", manifest("layered"))


@needs_fixtures
@needs_guest
class OneImage(unittest.TestCase):
    """The image is given at the start: there is no API call, and the guest's mount shows it at its root."""

    def options(self, folder, name):
        with open(folder + "/config", "w") as file:
            json.dump(config(BLOBS, folder + "/cache"), file)
        return ["--config", folder + "/config", "--metadata", image(name)]

    def test_the_image_is_the_root_and_sigterm_ends_the_daemon_while_the_guest_reads(self):
        with tempfile.TemporaryDirectory() as folder:
            with SocketDaemon(*self.options(folder, TREE_IMAGES[0])) as daemon, Guest(daemon.vhost) as machine:
                machine.mount()
                self.assertEqual(harness.differences(machine.tree("/mnt"), manifest("tree")), [])
                machine.start_reader("/mnt")
                self.assertEqual(daemon.stop(signal.SIGTERM), 0)
                self.assertEqual(machine.run("echo alive"), "alive\n")

    def test_after_kill_9_readers_see_no_error_and_a_rebooted_guest_with_its_device_plugged_anew_reads_from_the_next_daemon(self):
        # That is as far as QEMU 7.2 goes. It connects to the next daemon by itself but tells it nothing of the queues that
        # run (no memory, no SET_INFLIGHT_FD), so what the guest waits for is never answered; a driver that is unloaded waits
        # for these requests, so only a reboot gets rid of them; and after a reboot QEMU starts the queues without the
        # memory that it told the daemon before. A device that is plugged anew says everything.
        # A VMM that does resume: test/fakes/fake_vmm.
        with tempfile.TemporaryDirectory() as folder:
            options = self.options(folder, LAYERED)
            with SocketDaemon(*options) as daemon, Guest(daemon.vhost, reconnect=True) as machine:
                machine.plug()
                machine.mount()
                machine.start_reader("/mnt")
                daemon.stop(signal.SIGKILL)
                with SocketDaemon(*options, directory=daemon.directory) as successor:
                    machine.wait_until_connected()
                    self.assertEqual(machine.errors_of_reader(), "")
                    machine.reboot()
                    machine.unplug()
                    machine.plug()
                    machine.mount()
                    self.assertEqual(harness.differences(machine.tree("/mnt"), manifest("layered")), [])
                    self.assertEqual(successor.call("GET", "/api/v1/daemon")[1]["state"], "RUNNING")
