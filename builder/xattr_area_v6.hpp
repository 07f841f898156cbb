// SPDX-License-Identifier: Apache-2.0
// The extended attributes of a RAFS v6 inode, which follow it (RAFS v6 spec section 6.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "builder/file_tree.hpp"
#include "protocol/result.hpp"

namespace nydus::builder {

/// Bytes with header and padding; 0 without attributes.
std::uint64_t xattr_area_size(const tree_node& node);

/// The bytes; of attributes that check_xattrs() let through.
std::vector<std::byte> xattr_area(const tree_node& node);

/// not_supported, naming the attribute, if RAFS v6 cannot hold it, or all of them.
result<void> check_xattrs(const tree_node& node);

} // namespace nydus::builder
