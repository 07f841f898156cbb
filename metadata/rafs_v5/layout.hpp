// SPDX-License-Identifier: Apache-2.0
// RAFS v5 as it lies on disk (spec sections 2, 6, 7 and 10). No logic: views read it, checks check it,
// builder/ writes it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "metadata/chunk_record.hpp"
#include "metadata/digest.hpp"
#include "metadata/superblock_flag.hpp"
#include "protocol/bytes/little_endian.hpp"

namespace nydus::rafs_v5 {

constexpr std::uint32_t magic = 0x52414653; // "RAFS", read as a little-endian word
constexpr std::uint32_t version = 0x500;
constexpr std::uint32_t superblock_size = 8192;
constexpr std::uint32_t minimum_chunk_size = 0x1000;
constexpr std::uint32_t maximum_chunk_size = 0x1000000;
constexpr std::uint32_t default_chunk_size = 0x100000;
constexpr std::uint64_t maximum_bootstrap_size = 0x80000000; // 2 GiB
constexpr std::uint32_t maximum_chunk_count = 0xffffff;      // of one blob
constexpr std::uint64_t alignment = 8;                       // of tables, records and their parts

constexpr std::uint64_t align8(std::uint64_t size) noexcept {
  return (size + 7) & ~std::uint64_t{7};
}

/// Bits of superblock::flags.
namespace superblock_flag = nydus::superblock_flag;

/// At offset 0.
struct superblock {
  le32 magic;                              // 0
  le32 fs_version;                         // 4
  le32 sb_size;                            // 8   bytes, 8192
  le32 block_size;                         // 12  chunk size, bytes
  le64 flags;                              // 16  superblock_flag
  le64 inodes_count;                       // 24  unique inodes; advisory
  le64 inode_table_offset;                 // 32
  le64 prefetch_table_offset;              // 40
  le64 blob_table_offset;                  // 48
  le32 inode_table_entries;                // 56  records: hard links count each
  le32 prefetch_table_entries;             // 60
  le32 blob_table_size;                    // 64  bytes, padded to 8
  le32 extended_blob_table_entries;        // 68
  le64 extended_blob_table_offset;         // 72
  std::array<std::uint8_t, 8112> reserved; // 80
};
static_assert(sizeof(superblock) == superblock_size && alignof(superblock) == 1);
static_assert(offsetof(superblock, extended_blob_table_offset) == 72);
static_assert(std::is_trivially_copyable_v<superblock>);

/// Bits of extended_blob::features.
namespace blob_feature {
constexpr std::uint32_t aligned = 0x1;
constexpr std::uint32_t inlined_fs_meta = 0x2;
constexpr std::uint32_t separate = 0x10;
constexpr std::uint32_t external = 0x800;
constexpr std::uint32_t has_tar_header = 0x10000000;
constexpr std::uint32_t has_toc = 0x20000000;
constexpr std::uint32_t cap_tar_toc = 0x40000000;
} // namespace blob_feature

/// One entry of the extended blob table.
struct extended_blob {
  le32 chunk_count;                      // 0
  le32 features;                         // 4   blob_feature
  le64 uncompressed_size;                // 8   bytes of the cache file
  le64 compressed_size;                  // 16  bytes of the blob
  std::array<std::uint8_t, 40> reserved; // 24
};
static_assert(sizeof(extended_blob) == 64 && alignof(extended_blob) == 1);

/// Starts an entry of the blob table; the blob id follows, then NUL, but for the last entry.
struct blob_table_entry {
  le32 readahead_offset; // 0  bytes
  le32 readahead_size;   // 4  bytes of stored data to prefetch
};
static_assert(sizeof(blob_table_entry) == 8);

/// Bits of inode::flags.
namespace inode_flag {
constexpr std::uint64_t symlink = 0x1;
constexpr std::uint64_t hardlink = 0x2;
constexpr std::uint64_t xattr = 0x4;
constexpr std::uint64_t has_hole = 0x8;
} // namespace inode_flag

/// Fixed part of an inode record; name, symlink target, xattrs and chunks follow, each padded to 8.
struct inode {
  digest_bytes digest; // 0
  le64 parent;         // 32  inode number; 0 for the root
  le64 number;         // 40  inode number
  le32 uid;            // 48
  le32 gid;            // 52
  le32 project;        // 56
  le32 mode;           // 60  st_mode
  le64 size;           // 64  bytes
  le64 blocks;         // 72  512-byte units
  le64 flags;          // 80  inode_flag
  le32 link_count;     // 88
  le32 child_index;    // 92  directory: first child's index
  le32 child_count;    // 96  directory: children; file: chunks
  le16 name_size;      // 100 bytes
  le16 symlink_size;   // 102 bytes
  le32 device;         // 104
  le32 mtime_nsec;     // 108
  le64 mtime;          // 112 seconds
  le64 reserved;       // 120
};
static_assert(sizeof(inode) == 128 && alignof(inode) == 1);
static_assert(offsetof(inode, name_size) == 100 && offsetof(inode, mtime) == 112);
static_assert(std::is_trivially_copyable_v<inode>);

/// Behind a regular file's inode, one for each chunk.
using nydus::chunk_record;
namespace chunk_flag = nydus::chunk_flag;

} // namespace nydus::rafs_v5
