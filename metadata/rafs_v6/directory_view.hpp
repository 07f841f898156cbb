// SPDX-License-Identifier: Apache-2.0
// The entries of one directory: blocks of names in the order of their bytes (RAFS v6 spec section 7).
// Neighbours: inode_view has the blocks, image_v6 the children.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "metadata/rafs_v6/inode_view.hpp"

namespace nydus::rafs_v6 {

/// Borrows the directory's view.
class directory_view {
public:
  struct entry {
    std::string_view name; // 1..255 bytes, no '/' and no NUL; "." and ".." are entries as others
    std::uint64_t nid = 0;
    std::uint64_t next = 0; // cursor of the entry behind
  };
  using visitor = std::function<bool(const entry&)>;

  explicit directory_view(const inode_view& directory) noexcept : directory_(directory) {}

  /// not_found, or corrupt if a block on the way lies.
  result<entry> find(std::string_view name) const;
  /// Visits the entries from a cursor on (0: the first) until `visit` answers false. corrupt names the block.
  result<void> each(std::uint64_t cursor, const visitor& visit) const;

private:
  class block;
  block block_at(std::uint64_t k) const noexcept;

  const inode_view& directory_;
};

} // namespace nydus::rafs_v6
