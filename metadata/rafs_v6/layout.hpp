// SPDX-License-Identifier: Apache-2.0
// RAFS v6 as it lies on disk: EROFS with chunked files and a device table, and what RAFS adds (RAFS v6 spec
// sections 2 to 8). No logic: views read it, checks check it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "metadata/superblock_flag.hpp"
#include "protocol/bytes/little_endian.hpp"

namespace nydus::rafs_v6 {

constexpr std::uint32_t magic = 0xe0f5e1e2; // EROFS
constexpr std::uint64_t superblock_offset = 1024;
constexpr std::uint64_t extended_superblock_offset = 1152;
constexpr std::uint64_t device_table_offset = 1408;
constexpr std::uint64_t block_size = 4096;
constexpr std::uint64_t tarfs_block_size = 512;
constexpr std::uint64_t slot_size = 32; // an inode begins at a multiple of it; nids count in it
constexpr std::uint32_t minimum_chunk_size = 0x1000;
constexpr std::uint32_t maximum_chunk_size = 0x1000000;
constexpr std::uint32_t maximum_chunk_count = 1u << 24; // of one blob
constexpr std::size_t maximum_blob_count = 254;         // device ids have 8 bits, 0 is the bootstrap
constexpr std::uint64_t longest_target = 4096;
constexpr std::uint32_t rafs_feature = 0x40000000; // must be in superblock::feature_compat
constexpr std::uint32_t incompat_features = 0x0c;  // chunked files and a device table: just these
constexpr std::uint16_t first_device_slot = 11;    // device_table_offset in slots of 128 bytes

/// At superblock_offset.
struct superblock {
  le32 magic;                            // 0
  le32 checksum;                         // 4   0
  le32 feature_compat;                   // 8   has rafs_feature
  std::uint8_t block_bits;               // 12  12, or 9 of an image of tar files
  std::uint8_t extension_slots;          // 13  0
  le16 root_nid;                         // 14
  le64 inode_count;                      // 16  hard links count each
  le64 build_time;                       // 24
  le32 build_time_nsec;                  // 32
  le32 blocks;                           // 36  of the devices
  le32 metadata_block;                   // 40  where nid 0 would be, in blocks
  le32 xattr_block;                      // 44  0: no shared xattrs
  std::array<std::uint8_t, 16> uuid;     // 48
  std::array<std::uint8_t, 16> volume;   // 64
  le32 feature_incompat;                 // 80  incompat_features
  le16 compression_or_lz4_distance;      // 84  0
  le16 extra_devices;                    // 86  number of blobs
  le16 device_slot;                      // 88  first_device_slot
  std::array<std::uint8_t, 38> reserved; // 90
};
static_assert(sizeof(superblock) == 128 && alignof(superblock) == 1);
static_assert(offsetof(superblock, feature_incompat) == 80);
static_assert(std::is_trivially_copyable_v<superblock>);

/// Bits of extended_superblock::flags.
namespace superblock_flag = nydus::superblock_flag;

/// At extended_superblock_offset.
struct extended_superblock {
  le64 flags;                             // 0   superblock_flag
  le64 blob_table_offset;                 // 8
  le32 blob_table_size;                   // 16  bytes
  le32 chunk_size;                        // 20  bytes
  le64 chunk_table_offset;                // 24
  le64 chunk_table_size;                  // 32  bytes
  le64 prefetch_table_offset;             // 40
  le32 prefetch_table_size;               // 48  bytes
  le32 padding;                           // 52
  std::array<std::uint8_t, 200> reserved; // 56
};
static_assert(sizeof(extended_superblock) == 256 && alignof(extended_superblock) == 1);
static_assert(std::is_trivially_copyable_v<extended_superblock>);

/// Of the device table: what the kernel's EROFS reads of a blob.
struct device {
  std::array<char, 64> blob_id;          // 0   padded with NUL
  le32 blocks;                           // 64  of the decompressed blob
  le32 mapped_block;                     // 68
  std::array<std::uint8_t, 56> reserved; // 72
};
static_assert(sizeof(device) == 128 && alignof(device) == 1);

/// Bits of blob_entry::features.
namespace blob_feature {
constexpr std::uint32_t aligned = 0x1;
constexpr std::uint32_t inlined_fs_meta = 0x2;
constexpr std::uint32_t chunk_info_v2 = 0x4;
constexpr std::uint32_t zran = 0x8;
constexpr std::uint32_t separate = 0x10;
constexpr std::uint32_t inlined_chunk_digest = 0x20;
constexpr std::uint32_t tarfs = 0x40;
constexpr std::uint32_t batch = 0x80;
constexpr std::uint32_t encrypted = 0x100;
constexpr std::uint32_t external = 0x800;
constexpr std::uint32_t refused = 0x8000f000; // bits that a reader that does not know them must refuse
constexpr std::uint32_t has_tar_header = 0x10000000;
constexpr std::uint32_t cap_tar_toc = 0x40000000;
} // namespace blob_feature

/// Of the blob table.
struct blob_entry {
  std::array<char, 64> blob_id;             // 0    padded with NUL
  le32 blob_index;                          // 64   position in the table
  le32 chunk_size;                          // 68   as in the superblock
  le32 chunk_count;                         // 72
  le32 compression;                         // 76   compressor
  le32 digests;                             // 80   digester
  le32 features;                            // 84   blob_feature
  le64 compressed_size;                     // 88   bytes of the blob
  le64 uncompressed_size;                   // 96   bytes of the cache file
  le32 toc_size;                            // 104  bytes
  le32 chunk_infos_compression;             // 108  compressor
  le64 chunk_infos_offset;                  // 112  bytes into the blob
  le64 chunk_infos_compressed_size;         // 120  bytes
  le64 chunk_infos_uncompressed_size;       // 128  bytes
  std::array<std::uint8_t, 32> toc_digest;  // 136
  std::array<std::uint8_t, 32> meta_digest; // 168
  le64 meta_size;                           // 200
  std::array<std::uint8_t, 8> cipher_iv;    // 208
  le32 cipher;                              // 216
  std::array<std::uint8_t, 36> reserved;    // 220
};
static_assert(sizeof(blob_entry) == 256 && alignof(blob_entry) == 1);
static_assert(offsetof(blob_entry, chunk_infos_offset) == 112 && offsetof(blob_entry, cipher) == 216);
static_assert(std::is_trivially_copyable_v<blob_entry>);

/// Bits 1 to 3 of an inode's format: where its data lies. Bit 0: an extended_inode, else a compact_inode.
enum class data_layout : std::uint16_t {
  flat_plain = 0,  // whole blocks from `location` on
  flat_inline = 2, // the same, but for the last part, which follows inode and xattrs
  chunk_based = 4, // chunk indexes follow inode and xattrs
};
constexpr std::uint16_t extended_format = 0x1;
constexpr std::uint16_t format_bits = 0xf; // the others are 0

struct compact_inode {
  le16 format;       // 0
  le16 xattr_count;  // 2   units of 4 bytes, see xattr_header
  le16 mode;         // 4   st_mode
  le16 link_count;   // 6
  le32 size;         // 8   bytes
  le32 reserved;     // 12
  le32 location;     // 16  by type: first block, chunk format or device
  le32 number;       // 20  the builder's serial number
  le16 uid;          // 24
  le16 gid;          // 26
  le32 reserved_too; // 28
};
static_assert(sizeof(compact_inode) == 32 && alignof(compact_inode) == 1);

struct extended_inode {
  le16 format;                               // 0
  le16 xattr_count;                          // 2
  le16 mode;                                 // 4
  le16 reserved;                             // 6
  le64 size;                                 // 8
  le32 location;                             // 16
  le32 number;                               // 20
  le32 uid;                                  // 24
  le32 gid;                                  // 28
  le64 mtime;                                // 32  seconds
  le32 mtime_nsec;                           // 40
  le32 link_count;                           // 44
  std::array<std::uint8_t, 16> reserved_too; // 48
};
static_assert(sizeof(extended_inode) == 64 && alignof(extended_inode) == 1);
static_assert(std::is_trivially_copyable_v<extended_inode>);

/// Starts an inode's xattrs, of 12 + 4 * (xattr_count - 1) bytes with it.
struct xattr_header {
  le32 reserved;
  std::uint8_t shared_count; // 0
  std::array<std::uint8_t, 7> reserved_too;
};
static_assert(sizeof(xattr_header) == 12);

/// Name without its prefix and value follow, padded to 4 together with this.
struct xattr_entry {
  std::uint8_t name_size;  // bytes
  std::uint8_t name_index; // of the prefix
  le16 value_size;         // bytes
};
static_assert(sizeof(xattr_entry) == 4);

/// A directory's block begins with these, their names follow in the same order.
struct dirent {
  le64 nid;
  le16 name_offset;       // bytes into the block
  std::uint8_t file_type; // not read: the inode's mode says it
  std::uint8_t reserved;
};
static_assert(sizeof(dirent) == 12 && alignof(dirent) == 1);

/// One for each chunk of a regular file.
struct chunk_index {
  le16 index_low;          // 0  of the chunk in its blob, bits 0 to 15
  std::uint8_t device;     // 2  blob index + 1
  std::uint8_t index_high; // 3  bits 16 to 23
  le32 block;              // 4  offset in the decompressed blob, in blocks
};
static_assert(sizeof(chunk_index) == 8 && alignof(chunk_index) == 1);
constexpr std::uint32_t chunk_indexes_format = 0x20; // in a regular file's `location`

/// Of the table behind the chunks of a blob: where each one lies (section 11.3). Sizes are one less than they
/// are, their low 20 bits and high 4 bits apart.
struct chunk_info {
  le64 uncompressed; // 0  bits 44-63 size, 12-43 offset in place, 8-11 size
  le64 compressed;   // 8  bits 44-63 size, 40-43 size, 0-39 offset
};
static_assert(sizeof(chunk_info) == 16 && alignof(chunk_info) == 1);

constexpr std::uint32_t chunk_infos_magic = 0xb10bb10b;

/// Behind that table (section 11.2).
struct chunk_infos_header {
  le32 magic;                              // 0    chunk_infos_magic
  le32 features;                           // 4    blob_feature
  le32 compression;                        // 8    compressor of the table
  le32 count;                              // 12   chunks
  le64 offset;                             // 16   of the table, bytes into the blob
  le64 compressed_size;                    // 24   bytes
  le64 uncompressed_size;                  // 32   bytes
  le64 contexts_offset;                    // 40   these three of zran and batches alone
  le64 contexts_size;                      // 48
  le32 contexts_count;                     // 56
  std::array<std::uint8_t, 4032> reserved; // 60
  le32 magic_too;                          // 4092 chunk_infos_magic
};
static_assert(sizeof(chunk_infos_header) == 4096 && alignof(chunk_infos_header) == 1);

} // namespace nydus::rafs_v6
