// SPDX-License-Identifier: Apache-2.0
#include "builder/file_tree.hpp"

#include <algorithm>

#include "metadata/rafs_v5/layout.hpp"

namespace nydus::builder {

std::vector<tree_node*> depth_first(tree_node& root) {
  std::vector<tree_node*> order;
  std::vector<tree_node*> waiting{&root};
  while (!waiting.empty()) {
    auto* node = waiting.back();
    waiting.pop_back();
    order.push_back(node);
    waiting.insert(waiting.end(), node->children.rbegin(), node->children.rend());
  }
  return order;
}

tree_node* find_child(const tree_node& directory, const std::string& name) {
  const auto at =
      std::lower_bound(directory.children.begin(), directory.children.end(), name,
                       [](const tree_node* node, const std::string& key) { return node->name < key; });
  return at != directory.children.end() && (*at)->name == name ? *at : nullptr;
}

std::string path_of(const tree_node& node) {
  if (node.parent == nullptr)
    return "/";
  std::vector<const tree_node*> steps;
  for (const auto* step = &node; step->parent != nullptr; step = step->parent)
    steps.push_back(step);
  std::string path;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step)
    path.append("/").append((*step)->name);
  return path;
}

std::uint64_t xattr_block_size(const tree_node& node) {
  std::uint64_t size = 0;
  for (const auto& [name, value] : node.xattrs)
    size += sizeof(le32) + name.size() + 1 + value.size();
  return size;
}

std::uint64_t block_count(const tree_node& node) {
  return (node.size + rafs_v5::align8(xattr_block_size(node)) + 511) / 512;
}

} // namespace nydus::builder
