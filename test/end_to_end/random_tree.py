# SPDX-License-Identifier: Apache-2.0
"""Grows random directory trees with all that an image can hold; the same seed gives the same tree."""
import contextlib
import os
import random
import socket
import stat

NAMES = ["a", "b", "bin", "ä", "x" * 255, ".wh", ".hidden", "with space", "\udcff\udcfe", "new\nline", "%41", "0", "UPPER", "...", "a.b"]


def content(dice, size):
    """Bytes that compress, do not, are zeros, or repeat what other files hold."""
    kind = dice.randrange(4)
    if kind == 0:
        return dice.randbytes(size)
    if kind == 1:
        return bytes(size)
    if kind == 2:
        return (b"line %d\n" % dice.randrange(3) * (size // 7 + 1))[:size]
    return random.Random(dice.randrange(3)).randbytes(size)


def size(dice):
    return dice.choice([0, 1, 7, 511, 4095, 4096, 4097, 70000, dice.randrange(3000), (1 << 20) - 1, 1 << 20, (1 << 20) + 4097])


def decorate(dice, path):
    """Owner, mode, time and attributes of anything."""
    os.chown(path, dice.choice([0, 1, 65534, 2**31 - 2]), dice.choice([0, 5]), follow_symlinks=False)
    mode = os.lstat(path).st_mode
    if not stat.S_ISLNK(mode):
        os.chmod(path, dice.choice([0o755, 0o644, 0o4711, 0o1777, 0o2750, 0, 0o400]))
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        for _ in range(dice.choice([0, 0, 0, 1, 1, 3])):
            name = dice.choice(["user.a", "user.bytes", "trusted.t", "security.s"])
            with contextlib.suppress(OSError):  # where the disk has no room for them
                os.setxattr(path, name, dice.randbytes(dice.choice([0, 1, 20, 600])))
    elif stat.S_ISLNK(mode) and dice.random() < 0.3:
        with contextlib.suppress(OSError):
            os.setxattr(path, "trusted.link", b"x", follow_symlinks=False)
    os.utime(path, ns=(0, dice.choice([0, 1, 999999999, 1700000000123456789, dice.randrange(2**60)])), follow_symlinks=False)


def make_socket(path):
    # A socket's address has 108 bytes; the path may be longer.
    folder = os.open(os.path.dirname(path), os.O_PATH)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(b"/proc/self/fd/%d/" % folder + os.fsencode(os.path.basename(path))[:90])
    listener.close()
    os.close(folder)


def grow(root, seed, entries=60, whiteouts=None):
    """Fills `root`. With `whiteouts` ("oci", "overlayfs") some entries say that something below is gone."""
    dice = random.Random(seed)
    folders, files = [root], []
    for number in range(entries):
        folder = dice.choice(folders)
        name = dice.choice(NAMES) if dice.random() < 0.5 else f"{dice.randrange(30)}"
        if whiteouts == "oci" and dice.random() < 0.15:
            name = (".wh." + name)[:200] if dice.random() < 0.8 else ".wh..wh..opq"
        path = os.path.join(folder, name)
        if os.path.lexists(path):
            continue
        kind = dice.choices(["file", "folder", "symlink", "hardlink", "device", "fifo", "socket", "sparse"], [12, 5, 2, 3, 1, 1, 1, 1])[0]
        if whiteouts == "overlayfs" and dice.random() < 0.15:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(0, 0))
            continue
        if kind == "folder" and folder.count("/") < 40:
            os.mkdir(path)
            folders.append(path)
            if whiteouts == "overlayfs" and dice.random() < 0.3:
                os.setxattr(path, "trusted.overlay.opaque", b"y")
        elif kind == "symlink":
            os.symlink(dice.choice(["../a", "no/where", "/", "t" * 3000, "ä", name]), path)
        elif kind == "hardlink" and files:
            os.link(dice.choice(files), path)
        elif kind == "device":
            os.mknod(path, dice.choice([stat.S_IFCHR, stat.S_IFBLK]) | 0o600, os.makedev(dice.randrange(1, 4000), dice.randrange(1 << 20)))
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            make_socket(path)
        elif kind == "sparse":
            with open(path, "wb") as file:
                file.truncate(size(dice) + 100000)
                file.seek(dice.randrange(100000))
                file.write(b"behind a hole")
            files.append(path)
        else:
            with open(path, "wb") as file:
                file.write(content(dice, size(dice)))
            files.append(path)
    for folder, names, others in os.walk(root, topdown=False):
        for name in others + names:
            decorate(dice, os.path.join(folder, name))
    return root


def some_paths(root, seed):
    """Prefetch patterns: paths of the tree as the image names them, and some that are not there."""
    dice = random.Random(seed)
    paths = ["/"]
    for folder, names, others in os.walk(root):
        paths += [os.path.join(folder, name)[len(root):] for name in names + others]
    paths = [path for path in paths if "\n" not in path and path.isprintable() and path == path.strip()]
    return dice.sample(paths, min(len(paths), dice.randrange(1, 6))) + dice.choice([[], ["/not/there"], ["relative"]])
