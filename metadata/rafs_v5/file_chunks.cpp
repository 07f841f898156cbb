// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v5/file_chunks.hpp"

#include <algorithm>
#include <string>

namespace nydus::rafs_v5 {

result<chunk_slice> file_chunks::slice_of(const chunk_record& record) const {
  const auto wrong = [&](const std::string& what) {
    return failure{errc::corrupt, "RAFS v5 inode " + std::to_string(file_.fields().number) + ", chunk at " +
                                      std::to_string(record.file_offset) + ": " + what};
  };
  chunk_slice slice;
  auto& source = slice.source;
  source.digest = record.digest;
  source.blob_index = record.blob_index;
  source.index = record.index;
  source.compressed_size = record.compressed_size;
  source.uncompressed_size = record.uncompressed_size;
  source.compressed_offset = record.compressed_offset;
  source.uncompressed_offset = record.uncompressed_offset;
  source.crc32c = record.crc32c;
  source.is_compressed = (record.flags & chunk_flag::compressed) != 0;
  source.has_crc32c = (record.flags & chunk_flag::has_crc32) != 0;
  if (source.uncompressed_size == 0 || source.uncompressed_size > chunk_size_)
    return wrong("uncompressed_size is " + std::to_string(source.uncompressed_size));
  slice.size = source.uncompressed_size;
  if ((record.flags & chunk_flag::hole) != 0 && source.compressed_size == 0) {
    slice.is_hole = true; // images of 2020 (section 17)
    return slice;
  }
  if (source.blob_index >= blobs_.size())
    return wrong("blob_index is " + std::to_string(source.blob_index) + " of " +
                 std::to_string(blobs_.size()));
  const auto& held_by = blobs_[source.blob_index];
  const bool is_legacy_gzip = held_by.compression == compressor::gzip && source.is_compressed;
  const std::uint64_t stored = source.is_compressed ? source.compressed_size : source.uncompressed_size;
  // No encoder makes a chunk larger than this; a reader makes buffers of that size.
  if (!is_legacy_gzip && (stored == 0 || stored > 2 * std::uint64_t{chunk_size_} + 4096))
    return wrong("compressed_size is " + std::to_string(source.compressed_size));
  const auto ends_behind = [](std::uint64_t offset, std::uint64_t size, std::uint64_t limit) {
    return offset > limit || size > limit - offset;
  };
  constexpr std::uint64_t highest_offset = std::uint64_t{1} << 62;
  const auto blob_end = held_by.compressed_size != 0 ? held_by.compressed_size : highest_offset;
  if (ends_behind(source.compressed_offset, is_legacy_gzip ? 1 : stored, blob_end))
    return wrong("compressed_offset is " + std::to_string(source.compressed_offset) +
                 ", behind the blob's end");
  if (held_by.has_chunk_index()) {
    if (source.index >= held_by.chunk_count)
      return wrong("index is " + std::to_string(source.index) + " of " + std::to_string(held_by.chunk_count));
    if (ends_behind(source.uncompressed_offset, source.uncompressed_size, held_by.uncompressed_size))
      return wrong("uncompressed_offset is " + std::to_string(source.uncompressed_offset) +
                   ", behind the cache's end");
  } else if (ends_behind(source.uncompressed_offset, source.uncompressed_size, highest_offset)) {
    return wrong("uncompressed_offset is " + std::to_string(source.uncompressed_offset));
  }
  return slice;
}

result<void> file_chunks::cut(std::uint64_t offset, std::uint64_t size,
                              std::vector<chunk_slice>& slices) const {
  const std::uint64_t file_size = file_.fields().size;
  if (offset >= file_size || size == 0)
    return {};
  const auto end = offset + std::min(size, file_size - offset);
  if ((file_.fields().flags & inode_flag::has_hole) != 0)
    return cut_with_holes(offset, end, slices);
  while (offset < end) {
    const auto k = offset / chunk_size_;
    if (k >= file_.fields().child_count)
      return failure{errc::corrupt, "RAFS v5 inode " + std::to_string(file_.index()) + " has " +
                                        std::to_string(file_.fields().child_count) + " chunks for " +
                                        std::to_string(file_size) + " bytes"};
    const auto record = file_.chunk_at(static_cast<std::uint32_t>(k));
    auto slice = slice_of(record);
    if (!slice)
      return slice.error();
    const auto start = k * chunk_size_;
    const auto expected = std::min<std::uint64_t>(chunk_size_, file_size - start);
    if (record.file_offset != start || slice->size != expected)
      return failure{errc::corrupt, "RAFS v5 inode " + std::to_string(file_.index()) + ", chunk " +
                                        std::to_string(k) + " holds " + std::to_string(slice->size) +
                                        " bytes from " + std::to_string(record.file_offset)};
    slice->offset = static_cast<std::uint32_t>(offset - start);
    slice->size = static_cast<std::uint32_t>(std::min(end, start + expected) - offset);
    offset += slice->size;
    slices.push_back(*slice);
  }
  return {};
}

result<void> file_chunks::cut_with_holes(std::uint64_t offset, std::uint64_t end,
                                         std::vector<chunk_slice>& slices) const {
  const auto add_hole = [&](std::uint64_t until) {
    while (offset < until) {
      chunk_slice hole;
      hole.is_hole = true;
      hole.size = static_cast<std::uint32_t>(std::min<std::uint64_t>(until - offset, 1u << 30));
      offset += hole.size;
      slices.push_back(hole);
    }
  };
  const auto end_of = [](const chunk_record& record) {
    const std::uint64_t start = record.file_offset;
    return std::max(start, start + record.uncompressed_size); // no wrap
  };
  std::uint32_t k = 0; // the first chunk that ends behind `offset`
  for (auto high = file_.fields().child_count + 0u; k < high;) {
    const auto middle = k + (high - k) / 2;
    if (end_of(file_.chunk_at(middle)) <= offset)
      k = middle + 1;
    else
      high = middle;
  }
  for (bool is_first = true; k < file_.fields().child_count && offset < end; ++k, is_first = false) {
    const auto record = file_.chunk_at(k);
    const std::uint64_t start = record.file_offset;
    if (start >= end)
      break;
    auto slice = slice_of(record);
    if (!slice)
      return slice.error();
    if (end_of(record) <= offset || (start < offset && !is_first))
      return failure{errc::corrupt, "RAFS v5 inode " + std::to_string(file_.index()) + ", chunk " +
                                        std::to_string(k) + " at " + std::to_string(start) +
                                        " overlaps the one before it"};
    add_hole(start);
    slice->offset = static_cast<std::uint32_t>(offset - start);
    slice->size = static_cast<std::uint32_t>(std::min(end, end_of(record)) - offset);
    offset += slice->size;
    slices.push_back(*slice);
  }
  add_hole(end);
  return {};
}

} // namespace nydus::rafs_v5
