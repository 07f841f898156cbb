// SPDX-License-Identifier: Apache-2.0
#include "metadata/chunk_record.hpp"

#include <string>

namespace nydus {

namespace {

// Beyond, offsets do not fit off_t.
constexpr std::uint64_t highest_offset = std::uint64_t{1} << 62;

bool ends_behind(std::uint64_t offset, std::uint64_t size, std::uint64_t limit) noexcept {
  return offset > limit || size > limit - offset;
}

failure wrong(const std::string& what) {
  return {errc::corrupt, what};
}

} // namespace

chunk to_chunk(const chunk_record& record) noexcept {
  chunk described;
  described.digest = record.digest;
  described.blob_index = record.blob_index;
  described.index = record.index;
  described.compressed_size = record.compressed_size;
  described.uncompressed_size = record.uncompressed_size;
  described.compressed_offset = record.compressed_offset;
  described.uncompressed_offset = record.uncompressed_offset;
  described.crc32c = record.crc32c;
  described.is_compressed = (record.flags & chunk_flag::compressed) != 0;
  described.has_crc32c = (record.flags & chunk_flag::has_crc32) != 0;
  return described;
}

result<void> check_place(const chunk& described, std::span<const blob> blobs, std::uint32_t chunk_size) {
  if (described.uncompressed_size == 0 || described.uncompressed_size > chunk_size)
    return wrong("uncompressed_size is " + std::to_string(described.uncompressed_size));
  if (described.blob_index >= blobs.size())
    return wrong("blob_index is " + std::to_string(described.blob_index) + " of " +
                 std::to_string(blobs.size()));
  const auto& held_by = blobs[described.blob_index];
  const bool is_legacy_gzip = held_by.compression == compressor::gzip && described.is_compressed;
  const std::uint64_t stored =
      described.is_compressed ? described.compressed_size : described.uncompressed_size;
  // No encoder makes a chunk larger than this; a reader makes buffers of that size.
  if (!is_legacy_gzip && (stored == 0 || stored > 2 * std::uint64_t{chunk_size} + 4096))
    return wrong("compressed_size is " + std::to_string(described.compressed_size));
  const auto blob_end = held_by.compressed_size != 0 ? held_by.compressed_size : highest_offset;
  if (ends_behind(described.compressed_offset, is_legacy_gzip ? 1 : stored, blob_end))
    return wrong("compressed_offset is " + std::to_string(described.compressed_offset) +
                 ", behind the blob's end");
  if (held_by.has_chunk_index()) {
    if (described.index >= held_by.chunk_count)
      return wrong("index is " + std::to_string(described.index) + " of " +
                   std::to_string(held_by.chunk_count));
    if (ends_behind(described.uncompressed_offset, described.uncompressed_size, held_by.uncompressed_size))
      return wrong("uncompressed_offset is " + std::to_string(described.uncompressed_offset) +
                   ", behind the cache's end");
  } else if (ends_behind(described.uncompressed_offset, described.uncompressed_size, highest_offset)) {
    return wrong("uncompressed_offset is " + std::to_string(described.uncompressed_offset));
  }
  return {};
}

} // namespace nydus
