// SPDX-License-Identifier: Apache-2.0
#include "actors/chunk_needs.hpp"

#include <algorithm>

namespace nydus {

namespace {

// Files looked at for neighbours of a small file's chunk.
constexpr int most_neighbours = 256;

} // namespace

bool chunk_needs::is_servable(const chunk& wanted) const noexcept {
  const auto& files = parts_.blobs[wanted.blob_index].files;
  return files && files->is_servable(wanted);
}

bool chunk_needs::are_servable(std::span<const chunk_slice> slices) const noexcept {
  return std::all_of(slices.begin(), slices.end(),
                     [&](const chunk_slice& slice) { return slice.is_hole || is_servable(slice.source); });
}

chunk_needs::by_blob chunk_needs::of_read(inode_number inode, std::uint64_t offset,
                                          std::span<const chunk_slice> slices) {
  by_blob needs;
  for (const auto& slice : slices)
    if (!slice.is_hole && !is_servable(slice.source))
      needs[slice.source.blob_index].wanted.push_back(slice.source);
  const auto& last = slices.back();
  if (!last.is_hole && needs.count(last.source.blob_index) != 0)
    add_neighbours(inode, offset, last.source, needs[last.source.blob_index]);
  return needs;
}

chunk_needs::by_blob chunk_needs::of_range(inode_number inode, std::uint64_t offset, std::uint64_t size) {
  by_blob needs;
  slices_.clear();
  if (!parts_.contents->slices(inode, offset, size, slices_))
    return needs;
  for (const auto& slice : slices_)
    if (!slice.is_hole && parts_.blobs[slice.source.blob_index].files && !is_servable(slice.source))
      needs[slice.source.blob_index].ahead.push_back(slice.source);
  return needs;
}

void chunk_needs::add_neighbours(inode_number inode, std::uint64_t offset, const chunk& last,
                                 need_chunks& need) {
  const auto& contents = *parts_.contents;
  const auto& source = contents.blobs()[last.blob_index];
  std::uint64_t budget = parts_.settings->batch_size;
  for (const auto& wanted : need.wanted)
    budget -= std::min(budget, stored_size(wanted, source));
  auto end = last.compressed_offset + stored_size(last, source);
  std::optional<inode_number> file = inode;
  auto from = offset;
  for (int files = 0; file && files < most_neighbours && budget > 0;
       ++files, file = contents.following(*file), from = 0) {
    slices_.clear();
    if (!contents.slices(*file, from, parts_.settings->batch_size, slices_))
      continue; // no file: a directory between the files of another
    for (const auto& next : slices_) {
      if (next.is_hole || next.source.blob_index != last.blob_index || next.source.compressed_offset < end)
        continue; // shared with an earlier file
      const auto size = stored_size(next.source, source);
      if (next.source.compressed_offset != end || size > budget)
        return;
      need.ahead.push_back(next.source);
      budget -= size;
      end += size;
    }
  }
}

} // namespace nydus
