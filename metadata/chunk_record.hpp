// SPDX-License-Identifier: Apache-2.0
// How a bootstrap describes one chunk, in RAFS v5 behind its file's inode (spec section 10) and in RAFS v6 in
// a table (spec section 10), and the check that a chunk can lie where its record says.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>

#include "metadata/blob.hpp"
#include "metadata/chunk.hpp"
#include "protocol/bytes/little_endian.hpp"
#include "protocol/result.hpp"

namespace nydus {

/// Bits of chunk_record::flags.
namespace chunk_flag {
constexpr std::uint32_t compressed = 0x1;
constexpr std::uint32_t hole = 0x2; // 2020 only
constexpr std::uint32_t has_crc32 = 0x10;
} // namespace chunk_flag

/// On disk.
struct chunk_record {
  digest_bytes digest;      // 0   of the decompressed data
  le32 blob_index;          // 32  into the blob table
  le32 flags;               // 36  chunk_flag
  le32 compressed_size;     // 40  bytes
  le32 uncompressed_size;   // 44  bytes, <= the image's chunk size
  le64 compressed_offset;   // 48  bytes from blob start
  le64 uncompressed_offset; // 56  bytes from blob start, decompressed
  le64 file_offset;         // 64  bytes from file start
  le32 index;               // 72  within its blob
  le32 crc32c;              // 76  0 unless flags has has_crc32
};
static_assert(sizeof(chunk_record) == 80 && alignof(chunk_record) == 1);
static_assert(offsetof(chunk_record, file_offset) == 64);
static_assert(std::is_trivially_copyable_v<chunk_record>);

/// What the record says, unchecked.
chunk to_chunk(const chunk_record& record) noexcept;

/// corrupt, naming field and value, if no blob of the image can hold such a chunk.
result<void> check_place(const chunk& described, std::span<const blob> blobs, std::uint32_t chunk_size);

} // namespace nydus
