# SPDX-License-Identifier: Apache-2.0
"""Thousands of reads under way at once from one thread: Linux's asynchronous I/O, past the page cache."""
import contextlib
import ctypes
import errno
import mmap
import os
import platform
import time

LIBC = ctypes.CDLL(None, use_errno=True)
# io_setup, io_destroy, io_submit, io_getevents: the C library has no names for them
CALLS = {"x86_64": (206, 207, 209, 208), "aarch64": (0, 1, 2, 4)}[platform.machine()]
IO_SETUP, IO_DESTROY, IO_SUBMIT, IO_GETEVENTS = CALLS
IOCB_CMD_PREAD = 0


class Iocb(ctypes.Structure):
    _fields_ = [("place", ctypes.c_uint64), ("key", ctypes.c_uint32), ("flags", ctypes.c_int32), ("opcode", ctypes.c_uint16),
                ("priority", ctypes.c_int16), ("fd", ctypes.c_uint32), ("buffer", ctypes.c_uint64), ("size", ctypes.c_uint64),
                ("offset", ctypes.c_int64), ("reserved", ctypes.c_uint64), ("more_flags", ctypes.c_uint32), ("eventfd", ctypes.c_uint32)]


class IoEvent(ctypes.Structure):
    _fields_ = [("place", ctypes.c_uint64), ("iocb", ctypes.c_uint64), ("result", ctypes.c_int64), ("more", ctypes.c_int64)]


def call(number, *arguments):
    answer = LIBC.syscall(number, *arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer


class AsyncReads:
    """Begins one read of `size` bytes at each of `offsets`; `got[i]` is what the i-th gave: bytes, or an errno."""

    def __init__(self, path, size, offsets):
        self.size, self.got = size, {}
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
        self.pages = mmap.mmap(-1, size * len(offsets))
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))
        self.wanted = (Iocb * len(offsets))()
        for place, (one, offset) in enumerate(zip(self.wanted, offsets)):
            one.place, one.opcode, one.fd = place, IOCB_CMD_PREAD, self.descriptor
            one.buffer, one.size, one.offset = start + place * size, size, offset
        self.context = ctypes.c_ulong(0)
        call(IO_SETUP, len(offsets), ctypes.byref(self.context))
        pointers = (ctypes.c_void_p * len(offsets))(*(ctypes.addressof(one) for one in self.wanted))
        begun = 0
        while begun < len(offsets):
            begun += call(IO_SUBMIT, self.context, ctypes.c_long(len(offsets) - begun),
                          ctypes.byref(pointers, begun * ctypes.sizeof(ctypes.c_void_p)))

    def join(self, seconds):
        """How many are still under way after that time."""
        end = time.monotonic() + seconds
        events = (IoEvent * 256)()
        pause = (ctypes.c_long * 2)(0, 100_000_000)
        while len(self.got) < len(self.wanted) and time.monotonic() < end:
            with contextlib.suppress(InterruptedError):
                for event in events[:call(IO_GETEVENTS, self.context, ctypes.c_long(1), ctypes.c_long(256), events, pause)]:
                    at = event.place * self.size
                    self.got[event.place] = self.pages[at:at + event.result] if event.result >= 0 else -event.result
        left = len(self.wanted) - len(self.got)
        if left == 0:
            call(IO_DESTROY, self.context)
            with contextlib.suppress(OSError):
                os.close(self.descriptor)
        return left


def is_usable():
    """Whether the system gives a process that much asynchronous I/O."""
    context = ctypes.c_ulong(0)
    try:
        call(IO_SETUP, 10_000, ctypes.byref(context))
    except OSError as why:
        return why.errno not in (errno.ENOSYS, errno.EAGAIN)
    call(IO_DESTROY, context)
    return True
