// SPDX-License-Identifier: Apache-2.0
// The superblock and the places of the tables, checked once at the door (RAFS v5 spec section 16.1).
#pragma once

#include <array>
#include <span>

#include "metadata/compression.hpp"
#include "metadata/rafs_v5/layout.hpp"
#include "protocol/result.hpp"

namespace nydus::rafs_v5 {

/// What the rest of rafs_v5/ may rely on: every table lies inside the image and overlaps no other.
class checked_superblock {
public:
  const superblock& fields() const noexcept { return fields_; }
  compressor compression() const noexcept;
  digester digests() const noexcept;
  /// Whether any of bytes [offset, offset + size) belongs to the superblock or to a table.
  bool is_taken(std::uint64_t offset, std::uint64_t size) const noexcept;

private:
  friend result<checked_superblock> check(std::span<const std::byte> image);
  checked_superblock() = default;
  struct extent {
    const char* name = "";
    std::uint64_t offset = 0;
    std::uint64_t size = 0; // 0: not there, and then offset means nothing
  };
  result<void> check_tables(std::uint64_t image_size);

  superblock fields_;
  std::array<extent, 5> taken_; // superblock and tables
};

/// corrupt names the field and its value.
result<checked_superblock> check(std::span<const std::byte> image);

} // namespace nydus::rafs_v5
