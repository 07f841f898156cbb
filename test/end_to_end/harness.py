# SPDX-License-Identifier: Apache-2.0
"""A nydusd of its own for each test, over the real /dev/fuse, and the tree comparison that the tests share."""
import contextlib
import gzip
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest
import urllib.parse

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
NYDUSD = os.environ.get("NYDUSD", os.path.join(ROOT, "build/api/nydusd"))
NYDUS_IMAGE = os.environ.get("NYDUS_IMAGE", os.path.join(ROOT, "build/builder/nydus-image"))
NYDUSCTL = os.environ.get("NYDUSCTL", os.path.join(ROOT, "build/api/nydusctl/nydusctl"))
FIXTURES = os.environ.get("NYDUS_FIXTURES", os.path.join(ROOT, "../shared/fixtures"))
MADE = os.path.join(FIXTURES, "made")
BLOBS = os.path.join(MADE, "blobs")
TREE_IMAGES = ["v5-lz4_block-blake3", "v5-zstd-sha256-4k", "v5-none-aligned-prefetch"]
TREE_IMAGES_V6 = ["v6-zstd", "v6-lz4_block-sha256-64k", "v6-none"]
needs_fixtures = unittest.skipUnless(os.path.isdir(MADE), "no fixture images: set NYDUS_FIXTURES")


def image(name):
    return os.path.join(MADE, name + ".boot")


def manifest(name):
    """{path: describe()} of what an image shows: "tree" or "layered"."""
    with gzip.open(os.path.join(MADE, name + ".manifest.gz"), "rt") as lines:
        return {entry.pop("path"): entry for entry in map(json.loads, lines)}


def build_image(source, blobs, bootstrap, *options, **more):
    """Has our own nydus-image make an image of `source`, in RAFS v5 if the options say nothing else; the path of its bootstrap."""
    version = [] if "--fs-version" in options else ["--fs-version", "5"]
    subprocess.run([NYDUS_IMAGE, "create", "--log-level", "warn", *version, *options, "--blob-dir", blobs, "--bootstrap", bootstrap, source],
                   check=True, stdout=subprocess.DEVNULL, **more)
    return bootstrap


def md5_of(path):
    with open(path, "rb") as file:
        return hashlib.md5(file.read()).hexdigest()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """Starts nydusd on a mountpoint with an API socket; `stop` and leaving the `with` block clean up whatever happened."""

    def __init__(self, *options, directory=None, binary=NYDUSD):
        self.directory = directory or tempfile.mkdtemp(prefix="nydusd-test-")
        self.mountpoint = os.path.join(self.directory, "mnt")
        self.socket = os.path.join(self.directory, "api.sock")
        self.log = os.path.join(self.directory, "log")
        os.makedirs(self.mountpoint, exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [binary, *self.arguments(options), "--apisock", self.socket, "--rlimit-nofile", "0"], stdout=log, stderr=log)
        try:
            self.wait_until_running()
        except BaseException:
            self.__exit__()
            raise

    def arguments(self, options):
        """The command line's words that say what to serve and where."""
        return ["--mountpoint", self.mountpoint, *options]

    def wait_until_running(self):
        for _ in range(200):
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.call("GET", "/api/v1/daemon")[1]["state"] == "RUNNING":
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError("nydusd does not run: " + open(self.log).read())

    def call(self, method, target, body=None):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, target, body if isinstance(body, (str, bytes, type(None))) else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
            if answer.getheader("Content-Type", "").startswith("text/plain"):
                return answer.status, text.decode()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def mount(self, mountpoint, bootstrap, config, method="POST", **more):
        target = "/api/v1/mount?mountpoint=" + urllib.parse.quote(mountpoint, safe="")
        return self.call(method, target, {"source": bootstrap, "fs_type": "rafs", "config": json.dumps(config), **more})

    def umount(self, mountpoint):
        return self.call("DELETE", "/api/v1/mount?mountpoint=" + urllib.parse.quote(mountpoint, safe=""))

    def path(self, *parts):
        return os.path.join(self.mountpoint, *parts)

    def stop(self, how=signal.SIGTERM, within=5):
        """Ends the daemon; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(within)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        subprocess.run(["umount", "-l", self.mountpoint], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


def config(blobs, work_dir=None, **more):
    """A v1 configuration on localfs; without work_dir the cache is the dummy one."""
    cache = {"type": "blobcache", "config": {"work_dir": work_dir}} if work_dir else {}
    cache.update(more.pop("cache", {}))
    return {"device": {"id": "test", "backend": {"type": "localfs", "config": {"dir": blobs}}, "cache": cache},
            "mode": "direct", "digest_validate": False, "enable_xattr": True, **more}


def until(holds, seconds=10):
    """Waits until holds() is true; fails if that takes too long."""
    for _ in range(seconds * 50):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


def drop_page_cache():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as knob:
        knob.write("3")


def describe(path):
    """All that stat, readlink, listxattr and the content say of one path."""
    status = os.lstat(path)
    entry = {"mode": oct(status.st_mode), "uid": status.st_uid, "gid": status.st_gid, "mtime": status.st_mtime_ns}
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFDIR:
        entry["nlink"] = status.st_nlink
    if kind == stat.S_IFREG:
        entry["size"] = status.st_size
        with open(path, "rb") as file:
            entry["sha256"] = hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") \
                else hashlib.sha256(file.read()).hexdigest()
    if kind == stat.S_IFLNK:
        entry["target"] = os.readlink(path).decode("latin-1")
    if kind in (stat.S_IFBLK, stat.S_IFCHR):
        entry["rdev"] = [os.major(status.st_rdev), os.minor(status.st_rdev)]
    attributes = {name: os.getxattr(path, name, follow_symlinks=False).decode("latin-1")
                  for name in sorted(os.listxattr(path, follow_symlinks=False))}
    if attributes:
        entry["xattr"] = attributes
    return entry


def tree(root):
    """{path: describe()} of everything below `root`; paths are latin-1 so that any byte has a place."""
    root = os.fsencode(root)
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, root).decode("latin-1")] = describe(path)
    return found


def differences(found, wanted, limit=5):
    """Sentences about the first differences; empty if the trees agree."""
    said = []
    for path in sorted(found.keys() | wanted.keys()):
        if found.get(path) != wanted.get(path):
            said.append(f"{path!a}: found {found.get(path)}, wanted {wanted.get(path)}")
            if len(said) == limit:
                break
    return said
