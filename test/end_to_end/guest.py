# SPDX-License-Identifier: Apache-2.0
"""A virtual machine for guest_test.py: QEMU without KVM, Debian's cloud kernel, and an initramfs that runs the host's commands.

The guest's only channel beside virtio-fs is a virtio-serial port: the host sends one line of shell, the guest answers
`STATUS LENGTH` and LENGTH bytes of output. check.sh unpacks kernel and modules into build/guest.
"""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import harness

KERNEL = os.environ.get("NYDUS_GUEST", os.path.join(harness.ROOT, "build/guest"))
PROGRAM = os.path.join(harness.ROOT, "build/test/guest_program")
QEMU = "qemu-system-x86_64"
TAG = "nydus"
MEMORY = 256 << 20
PATIENCE = 300  # seconds for one answer: emulation on a busy machine is slow
# In the order in which they need each other.
MODULES = ["virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_console",
           "fuse", "virtiofs", "overlay"]
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /tmp
for module in MODULES; do insmod /modules/$module.ko; done
exec 3<>/dev/vport0p1
echo ready >&3
while read -r line <&3; do
  rm -f /tmp/.answer # which a command in the background may still write to
  (eval "$line") >/tmp/.answer 2>&1 </dev/null 3<&-
  echo $? $(stat -c %s /tmp/.answer) >&3
  cat /tmp/.answer >&3
done
""".replace("MODULES", " ".join(MODULES))


def missing():
    """What keeps a guest from starting here, as a sentence, or None."""
    for program in (QEMU, "busybox", "cpio"):
        if not shutil.which(program):
            return f"no {program}: install qemu-system-x86, busybox-static and cpio"
    for path in (PROGRAM, *(os.path.join(KERNEL, name) for name in ("vmlinuz", "virtiofs.ko"))):
        if not os.path.exists(path):
            return f"no {path}: ./check.sh guest makes it"
    return None


needs_guest = unittest.skipIf(missing(), str(missing()))


def make_initramfs(path):
    """Writes an initramfs of busybox, the modules, guest_program and INIT. Needs root, for /dev/console."""
    with tempfile.TemporaryDirectory() as root:
        for folder in ("bin", "dev", "proc", "sys", "tmp", "mnt", "modules"):
            os.mkdir(os.path.join(root, folder))
        os.mknod(root + "/dev/console", 0o600 | 0o020000, os.makedev(5, 1))
        shutil.copy(shutil.which("busybox"), root + "/bin/busybox")
        shutil.copy(PROGRAM, root + "/bin/guest_program")
        for module in MODULES:
            shutil.copy(os.path.join(KERNEL, module + ".ko"), root + "/modules/")
        with open(root + "/init", "w") as file:
            file.write(INIT)
        os.chmod(root + "/init", 0o755)
        with open(path, "wb") as archive:
            subprocess.run("find . | cpio --quiet -o -H newc", shell=True, cwd=root, stdout=archive, check=True)


class SocketDaemon(harness.Daemon):
    """A nydusd that serves virtual machines on the unix socket `vhost`; `options` say what."""

    def arguments(self, options):
        self.vhost = os.path.join(self.directory, "vhost.sock")
        return [*options, "--sock", self.vhost]


class Guest:
    """A virtual machine whose vhost-user-fs device is connected to `vhost`; `stop` or leaving the `with` block ends QEMU.

    `device` is further properties of the vhost-user-fs-pci device, `memory` the kind of the memory back end ("memfd" or
    "file"). With `reconnect` QEMU connects again after the daemon went away, and starts without the device, which `plug`
    adds: QEMU 7.2 connects such a character device too late for a device that is there from the start.
    """

    def __init__(self, vhost, device="", memory="memfd", machine="pc", cpus=1, reconnect=False):
        self.directory = tempfile.mkdtemp(prefix="nydusd-guest-")
        self.console = os.path.join(self.directory, "console")
        self.log = os.path.join(self.directory, "qemu")
        self.port = None
        initramfs = os.path.join(self.directory, "initramfs")
        make_initramfs(initramfs)
        back_end = {"memfd": "memory-backend-memfd", "file": "memory-backend-file,mem-path=/dev/shm"}[memory]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [QEMU, "-accel", "tcg", "-machine", machine, "-smp", str(cpus), "-m", f"{MEMORY >> 20}M,slots=1,maxmem=1G",
                 "-object", f"{back_end},id=mem,size={MEMORY},share=on", "-numa", "node,memdev=mem", "-nodefaults", "-display", "none",
                 "-kernel", os.path.join(KERNEL, "vmlinuz"), "-initrd", initramfs,
                 "-append", "console=ttyS0 quiet panic=-1 nokaslr apparmor=0 audit=0 cryptomgr.notests mitigations=off",
                 "-serial", "file:" + self.console, "-qmp", f"unix:{self.directory}/qmp,server=on,wait=off",
                 "-chardev", f"socket,id=port,path={self.directory}/port,server=on,wait=off",
                 "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=port",
                 "-chardev", f"socket,id=fs,path={vhost}" + (",reconnect=1" if reconnect else ""),
                 *([] if reconnect else ["-device", f"vhost-user-fs-pci,chardev=fs,tag={TAG}" + device])],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.port = self.connect("port")
            self.monitor = self.connect("qmp").makefile("rw")
            self.order("qmp_capabilities")
            self.wait_until_booted()
        except OSError as why:
            said = self.said()
            self.stop()
            raise AssertionError("QEMU ended: " + said) from why
        except BaseException:
            self.stop()
            raise

    def connect(self, name):
        for _ in range(200):
            connection = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(OSError):
                connection.connect(os.path.join(self.directory, name))
                return connection
            connection.close()
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError("QEMU does not run: " + self.said())

    def complaints(self):
        """What QEMU wrote: nothing, if it has nothing to complain of."""
        with open(self.log, errors="replace") as log:
            return log.read()

    def said(self):
        """What QEMU and the guest's console wrote."""
        if not os.path.exists(self.console):
            return self.complaints()
        with open(self.console, errors="replace") as console:
            return self.complaints() + console.read()

    def receive(self, length=None):
        """The next line of the port without its end, or the next `length` bytes."""
        while (b"\n" not in self.received) if length is None else (len(self.received) < length):
            try:
                some = self.port.recv(1 << 16)
            except OSError as why:
                self.process.kill()  # what it says later would be taken for another answer
                raise AssertionError("the guest does not answer: " + self.said()[-2000:]) from why
            if not some:
                raise AssertionError("QEMU ended: " + self.said()[-2000:])
            self.received += some
        end = self.received.index(b"\n") + 1 if length is None else length
        taken, self.received = self.received[:end], self.received[end:]
        return taken

    def wait_until_booted(self):
        self.received = b""
        self.port.settimeout(PATIENCE)
        while self.receive() != b"ready\n":
            pass

    def order(self, command, **arguments):
        """One QMP command; its `return`."""
        self.monitor.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.monitor.flush()
        while True:
            answer = json.loads(self.monitor.readline())
            if "error" in answer:
                raise AssertionError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]

    def wait_until_connected(self):
        """Until the character device of a machine with `reconnect` is connected."""
        for _ in range(200):
            if any(one["label"] == "fs" and not one["filename"].startswith("disconnected") for one in self.order("query-chardev")):
                return
            time.sleep(0.1)
        raise AssertionError("QEMU does not connect again: " + self.said())

    def plug(self):
        """Adds the device once its character device is connected and free of an earlier one."""
        for _ in range(200):
            with contextlib.suppress(AssertionError):
                return self.order("device_add", driver="vhost-user-fs-pci", id="device", chardev="fs", tag=TAG)
            time.sleep(0.1)
        raise AssertionError("no device can be added: " + self.said())

    def unplug(self):
        self.order("device_del", id="device")

    def attempt(self, command):
        """Runs one line of shell in the guest; its exit status and its output."""
        self.port.sendall(command.encode() + b"\n")
        status, length = map(int, self.receive().split())
        return status, self.receive(length)

    def run(self, command):
        """The output of a command that has to succeed."""
        status, output = self.attempt(command)
        if status != 0:
            raise AssertionError(f"{command!r} in the guest: status {status}, {output[-2000:]!r}")
        return output.decode("latin-1")

    def mount(self):
        """Mounts the file system at /mnt, once the guest has found the device."""
        self.run(f"until ls -d /sys/bus/virtio/drivers/virtiofs/virtio*; do sleep 0.1; done; mount -t virtiofs {TAG} /mnt")

    def start_reader(self, folder):
        """Starts what reads every file of `folder` from the daemon, again and again, until there is an error."""
        self.run(f"(while find {folder} -type f -exec cat {{}} + >/dev/null; do echo 3 >/proc/sys/vm/drop_caches; done) "
                 ">/tmp/errors 2>&1 & echo $! >/tmp/reader")

    def errors_of_reader(self):
        """What the reader complained of; it must still be there."""
        return self.run("kill -0 $(cat /tmp/reader) && cat /tmp/errors")

    def tree(self, folder):
        """As harness.tree(), of a folder of the guest."""
        entries = map(json.loads, self.run(f"guest_program '{folder}'").splitlines())
        return {entry.pop("path"): entry for entry in entries}

    def reboot(self):
        """Resets the machine as a guest's reboot does; QEMU keeps running."""
        self.order("system_reset")
        self.wait_until_booted()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.port:
            self.port.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
