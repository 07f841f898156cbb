// SPDX-License-Identifier: Apache-2.0
#include "builder/inode_numbering.hpp"

#include <functional>
#include <unordered_map>

namespace nydus::builder {

namespace {

/// What makes two regular files one inode. Links never join across layers.
struct link_key {
  bool is_inherited;
  std::uint64_t source_inode;
  std::uint64_t source_device;
  bool operator==(const link_key&) const = default;
};

struct link_key_hash {
  std::size_t operator()(const link_key& key) const noexcept {
    const std::hash<std::uint64_t> hash;
    return hash(key.source_inode) * 31 + hash(key.source_device) * 2 + (key.is_inherited ? 1 : 0);
  }
};

struct link_group {
  std::uint32_t number;
  std::uint32_t count;
};

link_key key_of(const tree_node& node) {
  return {node.is_inherited, node.source_inode, node.source_device};
}

} // namespace

numbered_inodes number_inodes(tree_node& root) {
  numbered_inodes numbered;
  std::unordered_map<link_key, link_group, link_key_hash> groups;
  const auto next_index = [&] { return static_cast<std::uint32_t>(numbered.by_index.size() + 1); };

  root.index = root.number = next_index();
  numbered.by_index.push_back(&root);
  numbered.unique_count = 1;
  std::vector<tree_node*> waiting{&root};
  while (!waiting.empty()) {
    auto& directory = *waiting.back();
    waiting.pop_back();
    directory.child_index = next_index();
    directory.link_count = 2;
    for (auto* child : directory.children) {
      child->index = child->number = next_index();
      child->link_count = 1;
      numbered.by_index.push_back(child);
      if (child->is_directory())
        ++directory.link_count;
      if (child->is_regular() && child->may_have_links) {
        const auto [group, is_first] = groups.try_emplace(key_of(*child), link_group{child->index, 0});
        child->number = group->second.number;
        ++group->second.count;
        if (!is_first)
          continue;
      }
      ++numbered.unique_count;
    }
    for (auto child = directory.children.rbegin(); child != directory.children.rend(); ++child)
      if ((*child)->is_directory())
        waiting.push_back(*child);
  }
  if (!groups.empty())
    for (auto* node : numbered.by_index)
      if (node->is_regular() && node->may_have_links)
        node->link_count = groups.at(key_of(*node)).count;
  return numbered;
}

} // namespace nydus::builder
