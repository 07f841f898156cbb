// SPDX-License-Identifier: Apache-2.0
// Trees of builder/ made from paths, for tests of its steps.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "builder/file_tree.hpp"

namespace nydus::builder {

/// A root, and entries below it by absolute path; directories on the way are made.
class small_tree {
public:
  small_tree() {
    tree_.root = &tree_.make_node();
    tree_.root->name = "/";
    tree_.root->mode = S_IFDIR | 0755;
  }

  tree_node& root() { return *tree_.root; }

  tree_node& add(const std::string& path, std::uint32_t mode = S_IFREG | 0644, std::uint64_t size = 0) {
    auto* at = tree_.root;
    for (std::size_t start = 1; start < path.size();) {
      const auto end = std::min(path.find('/', start), path.size());
      at = &step(*at, path.substr(start, end - start));
      start = end + 1;
    }
    at->mode = mode;
    at->size = size;
    return *at;
  }
  tree_node& add_directory(const std::string& path) { return add(path, S_IFDIR | 0755); }

  /// All paths, depth first: directories end with '/'.
  std::vector<std::string> paths() { return paths_below(*tree_.root); }
  static std::vector<std::string> paths_below(tree_node& root) {
    std::vector<std::string> all;
    for (const auto* node : depth_first(root))
      all.push_back(path_of(*node) + (node->is_directory() && node->parent != nullptr ? "/" : ""));
    return all;
  }

private:
  tree_node& step(tree_node& directory, const std::string& name) {
    if (auto* known = find_child(directory, name))
      return *known;
    auto& made = tree_.make_node();
    made.name = name;
    made.parent = &directory;
    made.mode = S_IFDIR | 0755;
    auto& children = directory.children;
    children.insert(
        std::upper_bound(children.begin(), children.end(), &made,
                         [](const auto* left, const auto* right) { return left->name < right->name; }),
        &made);
    return made;
  }

  file_tree tree_;
};

} // namespace nydus::builder
