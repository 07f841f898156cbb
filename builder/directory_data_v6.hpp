// SPDX-License-Identifier: Apache-2.0
// The data of a RAFS v6 directory: its entries, "." and ".." among them, in blocks (RAFS v6 spec section 7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "builder/file_tree.hpp"

namespace nydus::builder {

/// Bytes, with what is left free at the ends of all blocks but the last.
std::uint64_t directory_data_size(const tree_node& directory);

/// The bytes; `nid_of` gives the place of a node.
std::vector<std::byte> directory_data(const tree_node& directory,
                                      const std::function<std::uint64_t(const tree_node&)>& nid_of);

} // namespace nydus::builder
