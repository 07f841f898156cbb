// SPDX-License-Identifier: Apache-2.0
// Gives inodes their indexes, numbers and link counts (spec section 19.4).
#pragma once

#include <cstdint>
#include <vector>

#include "builder/file_tree.hpp"

namespace nydus::builder {

struct numbered_inodes {
  std::vector<tree_node*> by_index; // position i holds index i + 1
  std::uint64_t unique_count = 0;   // hard links once
};

/// Children of one directory are consecutive; a subtree is complete before its next sibling's.
numbered_inodes number_inodes(tree_node& root);

} // namespace nydus::builder
