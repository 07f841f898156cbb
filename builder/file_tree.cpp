// SPDX-License-Identifier: Apache-2.0
#include "builder/file_tree.hpp"

#include <map>

namespace nydus {

namespace {

/// Numbers the children of `directory`, then those of its sub-directories one after the other.
struct numbering {
  std::vector<file_node*> order;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<file_node*>> links;
  std::uint64_t unique = 0;

  void add(file_node& node, std::uint64_t parent) {
    node.index = static_cast<std::uint32_t>(order.size() + 1);
    node.record.parent = parent;
    node.record.number = node.index;
    node.record.link_count = 1;
    order.push_back(&node);
    if (!node.is_regular()) {
      ++unique;
      return;
    }
    auto& group = links[node.source_identity];
    unique += group.empty() ? 1 : 0;
    group.push_back(&node);
    for (auto* member : group) {
      member->record.link_count = static_cast<std::uint32_t>(group.size());
      member->record.number = group.front()->index;
    }
  }

  void number_children(file_node& directory) {
    directory.record.child_count = static_cast<std::uint32_t>(directory.children.size());
    directory.record.child_index = static_cast<std::uint32_t>(order.size() + 1);
    std::uint32_t directories = 0;
    for (auto& child : directory.children) {
      add(*child, directory.record.number);
      directories += child->is_directory() ? 1 : 0;
    }
    directory.record.link_count = 2 + directories;
    for (auto& child : directory.children)
      if (child->is_directory())
        number_children(*child);
  }
};

} // namespace

std::uint64_t xattr_size(const file_node& node) noexcept {
  std::uint64_t size = 0;
  for (const auto& [name, value] : node.xattrs)
    size += sizeof(le32) + name.size() + 1 + value.size();
  return size;
}

std::vector<file_node*> number_tree(file_node& root, std::uint64_t& inode_count) {
  numbering numbers;
  numbers.add(root, 0);
  numbers.number_children(root);
  inode_count = numbers.unique;
  return std::move(numbers.order);
}

void digest_directories(file_node& root, digester kind) {
  if (!root.is_directory())
    return;
  digest_stream stream{kind};
  for (auto& child : root.children) {
    digest_directories(*child, kind);
    stream.update(std::as_bytes(std::span{child->record.digest}));
  }
  root.record.digest = stream.finish();
}

} // namespace nydus
