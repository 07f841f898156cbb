# SPDX-License-Identifier: Apache-2.0
"""A backend that does what a test tells it: a directory seen through a FUSE file system of this process, whose reads may be
slow, fail or lie."""
import ctypes
import errno
import os
import stat
import struct
import subprocess
import tempfile
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, INIT, INTERRUPT, DESTROY, BATCH_FORGET = 1, 2, 3, 14, 15, 18, 26, 36, 38, 42
SILENT = (FORGET, BATCH_FORGET, INTERRUPT)
DIRECT_IO = 1  # of an open file: each read is asked of us
BUFFER_SIZE = 1 << 20
SERVERS = 8
READ_ONLY = 1


def attributes(number, status):
    """fuse_attr"""
    return struct.pack("<6Q10I", number, status.st_size, status.st_blocks, 0, 0, 0, 0, 0, 0, status.st_mode, 1, 0, 0, 0, 4096, 0)


class FaultyBackend:
    """`directory`, without its folders, as `path`. `read(bytes, offset)` says what a read gives instead of the right bytes: it
    may wait, raise OSError or return others; it is called from several threads. Leaving the `with` block cleans up."""

    def __init__(self, directory):
        self.read = lambda right, offset: right
        self.directory = directory
        self.path = tempfile.mkdtemp(prefix="nydus-faulty-")
        self.names = [None, "."]  # by node number
        self.device = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0"
        if LIBC.mount(b"faulty", self.path.encode(), b"fuse", READ_ONLY, options.encode()) != 0:
            raise OSError(ctypes.get_errno(), "mount of a FUSE file system")
        self.threads = [threading.Thread(target=self.serve, daemon=True) for _ in range(SERVERS)]
        for thread in self.threads:
            thread.start()

    def serve(self):
        while True:
            try:
                request = os.read(self.device, BUFFER_SIZE)
            except OSError as why:
                if why.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return  # it is unmounted
            _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
            try:
                error, body = 0, self.answer(opcode, node, request[40:])
            except OSError as why:
                error, body = -why.errno, b""
            if opcode not in SILENT:
                try:
                    os.write(self.device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)
                except OSError:
                    pass  # whoever asked is gone

    def answer(self, opcode, node, arguments):
        if opcode == INIT:
            return struct.pack("<4IHH2IHH8I", 7, 31, 0, 0, 16, 12, 128 << 10, 1, 32, 0, *[0] * 8)
        if opcode == LOOKUP:
            name = os.fsdecode(arguments.rstrip(b"\0"))
            status = os.stat(os.path.join(self.directory, name))
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.ENOENT, name)
            if name not in self.names:
                self.names.append(name)
            number = self.names.index(name)
            return struct.pack("<4Q2I", number, 0, 0, 0, 0, 0) + attributes(number, status)
        if opcode == GETATTR:
            return struct.pack("<Q2I", 0, 0, 0) + attributes(node, os.stat(os.path.join(self.directory, self.names[node])))
        if opcode == OPEN:
            return struct.pack("<Q2I", 0, DIRECT_IO, 0)
        if opcode == READ:
            _, offset, size = struct.unpack_from("<QQI", arguments)
            with open(os.path.join(self.directory, self.names[node]), "rb") as file:
                return self.read(os.pread(file.fileno(), size, offset), offset)
        if opcode in (RELEASE, DESTROY, *SILENT):
            return b""
        raise OSError(errno.ENOSYS, "not needed by a backend")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-f", self.path], check=False)
        subprocess.run(["umount", "-l", self.path], check=False, stderr=subprocess.DEVNULL)
        os.close(self.device)
        os.rmdir(self.path)
