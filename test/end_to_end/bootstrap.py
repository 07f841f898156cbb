# SPDX-License-Identifier: Apache-2.0
"""RAFS v5 bootstraps in a form that can be compared where writers are free to differ."""
import struct

SUPERBLOCK_SIZE = 8192


def fields(image):
    return dict(zip(("flags", "inodes", "inode_table", "prefetch_table", "blob_table", "entries", "prefetches", "blobs_size",
                     "extended_entries", "extended_table"), struct.unpack_from("<QQQQQIIIIQ", image, 16)))


def align8(size):
    return (size + 7) & ~7


def normalized(image, ignore_compression=False):
    """The same bootstrap with xattrs in the order of their names; on request without what depends on the version of a
    compression library: stored sizes and offsets, and so the ids of blobs."""
    image = bytearray(image)
    head = fields(image)
    for slot in range(head["entries"]):
        record = struct.unpack_from("<I", image, head["inode_table"] + 4 * slot)[0] << 3
        mode, = struct.unpack_from("<I", image, record + 60)
        flags, = struct.unpack_from("<Q", image, record + 80)
        children, name_size, symlink_size = struct.unpack_from("<IHH", image, record + 96)
        at = record + 128 + align8(name_size) + align8(symlink_size)
        if flags & 4:
            total, = struct.unpack_from("<Q", image, at)
            pairs, position = [], at + 8
            while position < at + 8 + total:
                pair_size, = struct.unpack_from("<I", image, position)
                pairs.append(bytes(image[position:position + 4 + pair_size]))
                position += 4 + pair_size
            image[at + 8:at + 8 + total] = b"".join(sorted(pairs, key=lambda pair: pair[4:]))
            at += 8 + align8(total)
        if mode & 0o170000 == 0o100000 and ignore_compression:
            for chunk in range(at, at + 80 * children, 80):
                chunk_flags, = struct.unpack_from("<I", image, chunk + 36)
                struct.pack_into("<II", image, chunk + 36, chunk_flags & ~1, 0)
                struct.pack_into("<Q", image, chunk + 48, 0)
    if ignore_compression:
        table, size = head["blob_table"], head["blobs_size"]
        image[table:table + size] = bytes(size)
        for entry in range(head["extended_entries"]):
            struct.pack_into("<Q", image, head["extended_table"] + 64 * entry + 16, 0)
    return bytes(image)


def blob_ids(image):
    head = fields(image)
    table = image[head["blob_table"]:head["blob_table"] + head["blobs_size"]]
    ids = []
    while len(table) > 8:
        name, _, table = table[8:].partition(b"\0")
        ids.append(name.decode())
    return ids


def first_difference(one, other):
    """Where and how two bootstraps differ, for a message."""
    if len(one) != len(other):
        return f"{len(one)} and {len(other)} bytes: {fields(one)} {fields(other)}"
    at = next((i for i in range(len(one)) if one[i] != other[i]), None)
    return "none" if at is None else f"at {at:#x}: {one[at:at + 32].hex()} and {other[at:at + 32].hex()}; {fields(one)}"
