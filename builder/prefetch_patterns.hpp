// SPDX-License-Identifier: Apache-2.0
// Which files an image names for prefetch, and their order (RAFS v5 spec section 19.7).
#pragma once

#include <istream>
#include <span>
#include <string>
#include <vector>

#include "builder/file_tree.hpp"

namespace nydus {

struct prefetch_choice {
  std::vector<file_node*> files;      // dumped first, in pattern order
  std::vector<std::uint32_t> targets; // inode numbers for the prefetch table
};

/// Absolute paths, one per line; blank lines, others and those below an earlier one are left out.
std::vector<std::string> read_prefetch_patterns(std::istream& in);

/// After number_tree().
prefetch_choice choose_prefetch(const std::vector<std::string>& patterns, file_node& root);

} // namespace nydus
