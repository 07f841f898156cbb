// SPDX-License-Identifier: Apache-2.0
// Computes the digests of inodes once their chunks are known (spec section 11).
#pragma once

#include "builder/chunk_table.hpp"
#include "builder/file_tree.hpp"

namespace nydus::builder {

/// Of all nodes below and including `root`; those that are inherited keep theirs, directories excepted.
void digest_nodes(tree_node& root, const chunk_table& chunks, digester kind);

} // namespace nydus::builder
