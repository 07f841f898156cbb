# SPDX-License-Identifier: Apache-2.0
"""The images that are measured: made once with our own nydus-image and kept in NYDUS_BENCH_DIR."""
import dataclasses
import glob
import os
import shutil
import subprocess

from contestant import NYDUS_IMAGE

FOLDER = os.environ.get("NYDUS_BENCH_DIR", "/var/tmp/nydus-bench")
TREE = os.environ.get("NYDUS_BENCH_TREE", next(p for p in ("/usr/local/go", "/usr/share") if os.path.isdir(p)))
BIG_FILE_SIZE = 512 << 20


@dataclasses.dataclass
class Image:
    bootstrap: str
    blobs: str


def made(name, fill):
    """The image `name`; if it is missing, `fill(folder)` gives its source."""
    blobs = os.path.join(FOLDER, name + ".blobs")
    image = Image(os.path.join(FOLDER, name + ".boot"), blobs)
    if not os.path.exists(image.bootstrap):
        source = os.path.join(FOLDER, name + ".source")
        shutil.rmtree(source, ignore_errors=True)
        os.makedirs(source)
        os.makedirs(blobs, exist_ok=True)
        subprocess.run([NYDUS_IMAGE, "create", "--compressor", "zstd", "--fs-version", "5", "--log-level", "warn", "--blob-dir", blobs,
                        "--bootstrap", image.bootstrap, fill(source) or source], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(source)
    for path in glob.glob(os.path.join(blobs, "*")):  # the backend answers from memory, so that it is not what is measured
        with open(path, "rb", buffering=0) as file:
            while file.read(1 << 20):
                pass
    return image


def tree():
    """The tree of small files."""
    return made("tree", lambda _: TREE)


def big_file():
    """One file `big` of 512 MiB: the libraries of the system, one behind the other."""
    def fill(source):
        with open(os.path.join(source, "big"), "wb") as big:
            while big.tell() < BIG_FILE_SIZE:
                for path in sorted(glob.glob("/usr/lib/*-linux-gnu/**/*.so*", recursive=True)):
                    if os.path.isfile(path) and not os.path.islink(path) and big.tell() < BIG_FILE_SIZE:
                        with open(path, "rb") as library:
                            shutil.copyfileobj(library, big)
            big.truncate(BIG_FILE_SIZE)
    return made("big_file", fill)


def inodes(count):
    """`count` inodes, files of a few bytes in folders of 999; /000/000 is the first file."""
    def fill(source):
        for number in range(count - 1):
            folder, place = divmod(number, 1000)
            path = os.path.join(source, f"{folder:03}")
            if place == 0:
                os.mkdir(path)
            else:
                with open(os.path.join(path, f"{place - 1:03}"), "w", encoding="ascii") as file:
                    file.write(str(number))
    return made(f"inodes_{count}", fill)


def small_ones(count):
    """`count` images of three files each, no two with a blob in common."""
    def fill(number):
        def write(source):
            for place in range(3):
                with open(os.path.join(source, str(place)), "w", encoding="ascii") as file:
                    file.write(f"image {number}, file {place}\n" * 100)
        return write
    return [made(f"small_{number}", fill(number)) for number in range(count)]
