// SPDX-License-Identifier: Apache-2.0
#include "builder/node_digests.hpp"

#include <algorithm>

namespace nydus::builder {

void digest_nodes(tree_node& root, const chunk_table& chunks, digester kind) {
  auto order = depth_first(root);
  std::reverse(order.begin(), order.end()); // children before their directory
  std::vector<digest_bytes> parts;
  for (auto* node : order) {
    if (node->is_inherited && !node->is_directory())
      continue;
    if (node->is_symlink()) {
      node->digest = digest_of(kind, std::as_bytes(std::span{node->target}));
      continue;
    }
    parts.clear();
    for (const auto* child : node->children)
      parts.push_back(child->digest);
    for (const auto position : node->chunks)
      parts.push_back(chunks[position].digest);
    node->digest = digest_of(kind, std::as_bytes(std::span{parts}));
  }
}

} // namespace nydus::builder
