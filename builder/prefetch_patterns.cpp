// SPDX-License-Identifier: Apache-2.0
#include "builder/prefetch_patterns.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "builder/build_log.hpp"

namespace nydus::builder {

namespace {

constexpr std::string_view blanks = " \t\r\n\v\f";

/// Without blanks around, doubled or closing slashes and "." steps.
std::string normalized(std::string_view path) {
  std::string plain;
  while (!path.empty()) {
    const auto slash = std::min(path.find('/'), path.size());
    const auto step = path.substr(0, slash);
    if (!step.empty() && step != ".")
      plain.append("/").append(step);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return plain.empty() ? "/" : plain;
}

/// "/a/b" -> "/a" -> "/"; false if there is none.
bool to_parent(std::string& path) {
  if (path == "/")
    return false;
  path.resize(std::max<std::size_t>(path.rfind('/'), 1));
  return true;
}

} // namespace

void prefetch_patterns::read(std::istream& lines) {
  for (std::string line; std::getline(lines, line);) {
    const auto start = line.find_first_not_of(blanks);
    const auto end = line.find_last_not_of(blanks);
    if (start == std::string::npos)
      continue;
    if (line[start] != '/') {
      log_warning("prefetch pattern \"" + line + "\" is left out: it is no absolute path");
      continue;
    }
    const auto path = normalized(std::string_view{line}.substr(start, end - start + 1));
    auto step = path;
    bool is_covered = false;
    do
      is_covered = positions_.contains(step);
    while (!is_covered && to_parent(step));
    if (is_covered)
      log_warning("prefetch pattern " + path + " is left out: " + step + " covers it");
    else
      positions_.emplace(path, positions_.size());
  }
}

prefetch_plan plan_dump(prefetch_policy policy, const prefetch_patterns& patterns,
                        const std::vector<tree_node*>& by_index) {
  struct prefetched {
    std::size_t position;
    tree_node* file;
  };
  std::vector<prefetched> first;
  std::vector<tree_node*> rest;
  std::vector<std::uint32_t> targets(patterns.positions_.size(), 0);
  const bool is_active = policy != prefetch_policy::none && !patterns.empty();
  for (auto* node : by_index) {
    const bool has_data = node->is_regular() && node->size != 0;
    std::optional<std::size_t> position;
    if (is_active && (has_data || !node->is_regular())) {
      auto path = path_of(*node);
      bool is_exact = true;
      do {
        if (const auto found = patterns.positions_.find(path); found != patterns.positions_.end()) {
          position = found->second;
          if (is_exact)
            targets[*position] = node->number;
        }
        is_exact = false;
      } while (!position && to_parent(path));
    }
    if (has_data && !node->is_inherited) {
      if (position)
        first.push_back({*position, node});
      else
        rest.push_back(node);
    }
  }
  std::stable_sort(first.begin(), first.end(),
                   [](const auto& left, const auto& right) { return left.position < right.position; });
  prefetch_plan plan;
  plan.prefetched_count = first.size();
  plan.files.reserve(first.size() + rest.size());
  for (const auto& one : first)
    plan.files.push_back(one.file);
  plan.files.insert(plan.files.end(), rest.begin(), rest.end());
  if (policy == prefetch_policy::fs)
    std::copy_if(targets.begin(), targets.end(), std::back_inserter(plan.inodes),
                 [](std::uint32_t number) { return number != 0; });
  return plan;
}

} // namespace nydus::builder
