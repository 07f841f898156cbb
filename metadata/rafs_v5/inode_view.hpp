// SPDX-License-Identifier: Apache-2.0
// One inode record of a mapped image, checked when it is made (RAFS v5 spec sections 7 to 10 and 16.2).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "metadata/rafs_v5/superblock_check.hpp"

namespace nydus::rafs_v5 {

/// Borrows from the image. Name, target and chunk records lie inside the image, and the name is one that a
/// directory may hold ("/" for the root alone).
class inode_view {
public:
  /// The record of child index `index` (1 is the root). not_found for an index out of the table; corrupt
  /// names field, value and inode.
  static result<inode_view> at(const checked_superblock& checked, std::span<const std::byte> image,
                               std::uint64_t index);

  const inode& fields() const noexcept { return fields_; }
  std::string_view name() const noexcept { return name_; }
  std::string_view target() const noexcept { return target_; }

  bool is_directory() const noexcept { return (fields_.mode & 0170000) == 0040000; }
  bool is_regular() const noexcept { return (fields_.mode & 0170000) == 0100000; }
  bool is_symlink() const noexcept { return (fields_.mode & 0170000) == 0120000; }
  bool is_device() const noexcept {
    return (fields_.mode & 0170000) == 0020000 || (fields_.mode & 0170000) == 0060000;
  }

  /// Chunk records of a regular file; k < fields().child_count.
  chunk_record chunk_at(std::uint32_t k) const noexcept;
  /// Calls `visit` per pair until it answers false. corrupt if the block's sizes disagree.
  result<void>
  each_xattr(const std::function<bool(std::string_view name, std::string_view value)>& visit) const;

private:
  inode fields_;
  std::string_view name_;
  std::string_view target_;
  std::span<const std::byte> xattrs_; // the pairs
  std::span<const std::byte> chunks_;
};

} // namespace nydus::rafs_v5
