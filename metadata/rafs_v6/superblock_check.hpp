// SPDX-License-Identifier: Apache-2.0
// Both superblocks and the places of the tables, checked once at the door (RAFS v6 spec sections 2 and 3).
#pragma once

#include <cstddef>
#include <span>

#include "metadata/compression.hpp"
#include "metadata/digest.hpp"
#include "metadata/rafs_v6/layout.hpp"
#include "protocol/result.hpp"

namespace nydus::rafs_v6 {

/// Whether the bytes are an EROFS image.
bool has_magic(std::span<const std::byte> image) noexcept;

/// What the rest of rafs_v6/ may rely on: every table lies inside the image and overlaps no other, sizes are
/// multiples of their records', and the blocks of metadata have block_size bytes.
class checked_superblock {
public:
  const superblock& fields() const noexcept { return fields_; }
  const extended_superblock& extended() const noexcept { return extended_; }
  compressor compression() const noexcept;
  digester digests() const noexcept;
  /// Bytes from the start of the image to where nid 0 would be.
  std::uint64_t metadata_offset() const noexcept {
    return std::uint64_t{fields_.metadata_block} * block_size;
  }
  bool has_prefetch_table() const noexcept {
    return extended_.prefetch_table_offset != 0 && extended_.prefetch_table_size != 0;
  }

private:
  friend result<checked_superblock> check(std::span<const std::byte> image);
  checked_superblock() = default;
  result<void> check_fields(std::uint64_t image_size) const;
  result<void> check_flags() const;
  result<void> check_tables(std::uint64_t image_size) const;

  superblock fields_;
  extended_superblock extended_;
};

/// corrupt names the field and its value; not_supported: an image of tar files.
result<checked_superblock> check(std::span<const std::byte> image);

} // namespace nydus::rafs_v6
