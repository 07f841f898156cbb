// SPDX-License-Identifier: Apache-2.0
// The superblock and the places of the tables, checked once at the door (RAFS v5 spec section 16.1).
#pragma once

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

private:
  friend result<checked_superblock> check(std::span<const std::byte> image);
  checked_superblock() = default;
  superblock fields_;
};

/// Whether the bytes start as a RAFS v5 image does.
bool has_magic(std::span<const std::byte> image) noexcept;

/// corrupt names the field and its value.
result<checked_superblock> check(std::span<const std::byte> image);

} // namespace nydus::rafs_v5
