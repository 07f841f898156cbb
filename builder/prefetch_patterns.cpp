// SPDX-License-Identifier: Apache-2.0
#include "builder/prefetch_patterns.hpp"

#include <algorithm>

namespace nydus {

namespace {

bool is_at_or_below(const std::string& path, const std::string& pattern) {
  return pattern == "/" || path == pattern || (path.starts_with(pattern) && path[pattern.size()] == '/');
}

struct matcher {
  const std::vector<std::string>& patterns;
  std::vector<std::vector<file_node*>> files;
  std::vector<std::uint32_t> targets;

  void match(file_node& node, const std::string& path) {
    if (!node.is_regular() || node.record.size != 0) {
      // The longest pattern is the nearest: a node goes with the first of its own path and the paths above
      // it.
      std::size_t best = patterns.size();
      for (std::size_t i = 0; i < patterns.size(); ++i)
        if (is_at_or_below(path, patterns[i]) &&
            (best == patterns.size() || patterns[i].size() > patterns[best].size()))
          best = i;
      if (best < patterns.size()) {
        if (patterns[best] == path)
          targets[best] = static_cast<std::uint32_t>(node.record.number);
        if (node.is_regular())
          files[best].push_back(&node);
      }
    }
    for (auto& child : node.children) // the children in order, then what lies deeper, as they are numbered
      if (!child->is_directory())
        match(*child, path == "/" ? "/" + child->name : path + "/" + child->name);
    for (auto& child : node.children)
      if (child->is_directory())
        match(*child, path == "/" ? "/" + child->name : path + "/" + child->name);
  }
};

} // namespace

std::vector<std::string> read_prefetch_patterns(std::istream& in) {
  std::vector<std::string> patterns;
  for (std::string line; std::getline(in, line);) {
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos || line[first] != '/')
      continue;
    line = line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
    while (line.size() > 1 && line.back() == '/')
      line.pop_back();
    if (std::none_of(patterns.begin(), patterns.end(),
                     [&](const auto& earlier) { return is_at_or_below(line, earlier); }))
      patterns.push_back(line);
  }
  return patterns;
}

prefetch_choice choose_prefetch(const std::vector<std::string>& patterns, file_node& root) {
  matcher found{patterns, std::vector<std::vector<file_node*>>(patterns.size()),
                std::vector<std::uint32_t>(patterns.size())};
  found.match(root, "/");
  prefetch_choice choice;
  for (const auto& files : found.files)
    choice.files.insert(choice.files.end(), files.begin(), files.end());
  for (const auto target : found.targets)
    if (target != 0)
      choice.targets.push_back(target);
  return choice;
}

} // namespace nydus
