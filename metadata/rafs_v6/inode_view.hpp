// SPDX-License-Identifier: Apache-2.0
// One inode of a mapped image, checked when it is made (RAFS v6 spec sections 6 and 8). Neighbours:
// directory_view reads a directory's entries.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "metadata/rafs_v6/superblock_check.hpp"

namespace nydus::rafs_v6 {

/// Borrows from the image. Xattrs, data and chunk indexes lie inside the image.
class inode_view {
public:
  /// The inode in slot `nid`. not_found for a slot outside the image; corrupt names field, value and inode.
  /// Any bytes of the image may be asked for; those of no inode are told by chance alone.
  static result<inode_view> at(const checked_superblock& checked, std::span<const std::byte> image,
                               std::uint64_t nid);

  std::uint64_t nid() const noexcept { return nid_; }
  /// Its fields; of a compact inode, those that it has.
  const extended_inode& fields() const noexcept { return fields_; }

  bool is_directory() const noexcept { return (fields_.mode & 0170000) == 0040000; }
  bool is_regular() const noexcept { return (fields_.mode & 0170000) == 0100000; }
  bool is_symlink() const noexcept { return (fields_.mode & 0170000) == 0120000; }
  bool is_device() const noexcept {
    return (fields_.mode & 0170000) == 0020000 || (fields_.mode & 0170000) == 0060000;
  }

  /// Number of chunks of a regular file and their indexes; k < chunk_count().
  std::uint64_t chunk_count() const noexcept { return body_.size() / sizeof(chunk_index); }
  chunk_index chunk_at(std::uint64_t k) const noexcept;
  /// Data of a directory or symlink: blocks of block_size bytes, the last one of what is left.
  std::uint64_t block_count() const noexcept;
  std::span<const std::byte> block(std::uint64_t k) const noexcept;
  std::string_view target() const noexcept;

  /// Calls `visit` per attribute, with a name that lives as long as the call, until it answers false. corrupt
  /// if sizes disagree or a prefix is unknown.
  result<void>
  each_xattr(const std::function<bool(std::string_view name, std::string_view value)>& visit) const;

  /// The slot behind its record, where a builder puts the next inode of the directory.
  std::uint64_t next_nid() const noexcept { return nid_ + (record_size_ + slot_size - 1) / slot_size; }

private:
  std::uint64_t nid_ = 0;
  extended_inode fields_;
  std::span<const std::byte> xattrs_; // the entries
  std::span<const std::byte> whole_;  // whole blocks of data
  std::span<const std::byte> body_;   // behind the xattrs: chunk indexes, or the last part of data
  std::uint64_t record_size_ = 0;     // bytes: inode, xattrs and body
};

} // namespace nydus::rafs_v6
