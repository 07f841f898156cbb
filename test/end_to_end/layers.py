# SPDX-License-Identifier: Apache-2.0
"""What a mount of two layers has to show, made on disk."""
import os
import shutil
import subprocess


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
