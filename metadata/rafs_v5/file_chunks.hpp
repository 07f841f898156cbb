// SPDX-License-Identifier: Apache-2.0
// The chunks of one regular file, each checked when it is needed (RAFS v5 spec sections 8, 9, 16.2 and 17).
// Neighbours: inode_view reads the records, image_v5 finds the file.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "metadata/blob.hpp"
#include "metadata/image.hpp"
#include "metadata/rafs_v5/inode_view.hpp"

namespace nydus::rafs_v5 {

/// Borrows the file's view and the image's blobs.
class file_chunks {
public:
  file_chunks(const inode_view& file, std::span<const blob> blobs, std::uint32_t chunk_size) noexcept
      : file_(file), blobs_(blobs), chunk_size_(chunk_size) {}

  /// Appends what bytes [offset, offset + size) of the file consist of, up to its end. corrupt names inode,
  /// chunk, field and value.
  result<void> cut(std::uint64_t offset, std::uint64_t size, std::vector<chunk_slice>& slices) const;

private:
  /// The whole chunk as a slice, if its record can be true.
  result<chunk_slice> slice_of(const chunk_record& record) const;
  result<void> cut_with_holes(std::uint64_t offset, std::uint64_t end,
                              std::vector<chunk_slice>& slices) const;

  const inode_view& file_;
  std::span<const blob> blobs_;
  std::uint32_t chunk_size_; // bytes of each but the last
};

} // namespace nydus::rafs_v5
