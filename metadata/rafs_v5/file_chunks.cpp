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
  slice.source = to_chunk(record);
  slice.size = record.uncompressed_size;
  if ((record.flags & chunk_flag::hole) != 0 && record.compressed_size == 0) {
    slice.is_hole = true; // images of 2020 (section 17)
    if (slice.size == 0 || slice.size > chunk_size_)
      return wrong("uncompressed_size is " + std::to_string(slice.size));
    return slice;
  }
  if (auto checked = check_place(slice.source, blobs_, chunk_size_); !checked)
    return wrong(checked.error().detail);
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
