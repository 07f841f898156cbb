// SPDX-License-Identifier: Apache-2.0
#include "builder/layer_merge.hpp"

#include <algorithm>

#include "builder/whiteout.hpp"

namespace nydus::builder {

namespace {

/// An upper directory and what the lower layer has in its place, if that still shows.
struct layered_directory {
  tree_node* lower;
  tree_node* upper;
};

/// Takes from the lower children what the upper entries hide; gives the upper entries that are no markers.
std::vector<tree_node*> apply_whiteouts(std::vector<tree_node*>& lower, const tree_node& upper,
                                        whiteout_spec spec) {
  std::vector<tree_node*> entries;
  for (auto* entry : upper.children) {
    const auto mark = whiteout_of(*entry, spec);
    switch (mark.kind) {
    case whiteout_kind::removes_children:
      lower.clear();
      continue;
    case whiteout_kind::removes_name:
      std::erase_if(lower, [&](const tree_node* node) { return node->name == mark.name; });
      continue;
    case whiteout_kind::opaque:
      for (auto* node : lower)
        if (node->name == entry->name)
          node->children.clear();
      clear_opaque(*entry);
      break;
    case whiteout_kind::none:
      break;
    }
    entries.push_back(entry);
  }
  return entries;
}

} // namespace

void merge_layers(tree_node& lower_root, tree_node& upper_root, whiteout_spec spec) {
  std::vector<layered_directory> waiting{{&lower_root, &upper_root}};
  while (!waiting.empty()) {
    auto* const lower = waiting.back().lower;
    auto* const upper = waiting.back().upper;
    waiting.pop_back();
    std::vector<tree_node*> below;
    if (lower != nullptr)
      below.swap(lower->children);
    const auto entries = apply_whiteouts(below, *upper, spec);

    std::vector<tree_node*> merged;
    merged.reserve(below.size() + entries.size());
    auto next = below.begin();
    const auto keep = [&](tree_node* node) {
      node->parent = upper;
      merged.push_back(node);
    };
    for (auto* entry : entries) { // both are in name order
      for (; next != below.end() && (*next)->name < entry->name; ++next)
        keep(*next);
      tree_node* replaced = nullptr;
      if (next != below.end() && (*next)->name == entry->name)
        replaced = *next++;
      merged.push_back(entry);
      if (entry->is_directory())
        waiting.push_back({replaced, entry});
    }
    std::for_each(next, below.end(), keep);
    upper->children = std::move(merged);
  }
}

} // namespace nydus::builder
