// SPDX-License-Identifier: Apache-2.0
// Lays one layer over another (spec section 19.8).
#pragma once

#include "builder/build_settings.hpp"
#include "builder/file_tree.hpp"

namespace nydus::builder {

/// Makes the tree below `upper` what a mount of both layers shows: whiteouts act and are gone. Nodes of
/// `lower` move into it; what they were in is not to be used afterwards. Whiteouts never hide entries of
/// their own layer.
void merge_layers(tree_node& lower, tree_node& upper, whiteout_spec spec);

} // namespace nydus::builder
