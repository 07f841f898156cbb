// SPDX-License-Identifier: Apache-2.0
#include "builder/directory_data_v6.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "metadata/rafs_v6/layout.hpp"

namespace nydus::builder {

namespace {

using rafs_v6::block_size;
using rafs_v6::dirent;

struct entry {
  std::string_view name;
  const tree_node* node;
};

/// In the order of their names' bytes: some names come before "." and "..".
std::vector<entry> entries_of(const tree_node& directory) {
  std::vector<entry> entries;
  entries.reserve(directory.children.size() + 2);
  entries.push_back({".", &directory});
  entries.push_back({"..", directory.parent != nullptr ? directory.parent : &directory});
  for (const auto* child : directory.children)
    entries.push_back({child->name, child});
  std::sort(entries.begin(), entries.end(),
            [](const entry& left, const entry& right) { return left.name < right.name; });
  return entries;
}

/// How many of the entries fill the next block.
std::size_t block_length(std::span<const entry> entries) noexcept {
  std::size_t used = 0;
  std::size_t count = 0;
  for (; count < entries.size(); ++count) {
    used += sizeof(dirent) + entries[count].name.size();
    if (used > block_size)
      break;
  }
  return count;
}

std::uint8_t file_type(std::uint32_t mode) noexcept {
  switch (mode & S_IFMT) {
  case S_IFREG:
    return 1;
  case S_IFDIR:
    return 2;
  case S_IFCHR:
    return 3;
  case S_IFBLK:
    return 4;
  case S_IFIFO:
    return 5;
  case S_IFSOCK:
    return 6;
  case S_IFLNK:
    return 7;
  default:
    return 0;
  }
}

} // namespace

std::uint64_t directory_data_size(const tree_node& directory) {
  const auto entries = entries_of(directory);
  std::span<const entry> rest{entries};
  std::uint64_t whole = 0;
  for (;;) {
    const auto count = block_length(rest);
    if (count == rest.size())
      break;
    whole += block_size;
    rest = rest.subspan(count);
  }
  for (const auto& one : rest)
    whole += sizeof(dirent) + one.name.size();
  return whole;
}

std::vector<std::byte> directory_data(const tree_node& directory,
                                      const std::function<std::uint64_t(const tree_node&)>& nid_of) {
  const auto entries = entries_of(directory);
  std::vector<std::byte> data;
  for (std::span<const entry> rest{entries}; !rest.empty();) {
    const auto block = rest.first(block_length(rest));
    rest = rest.subspan(block.size());
    const auto start = data.size();
    auto name_offset = block.size() * sizeof(dirent);
    for (const auto& [name, node] : block) {
      const dirent record{nid_of(*node), static_cast<std::uint16_t>(name_offset), file_type(node->mode), 0};
      const auto bytes = std::as_bytes(std::span{&record, 1});
      data.insert(data.end(), bytes.begin(), bytes.end());
      name_offset += name.size();
    }
    for (const auto& one : block) {
      const auto name = std::as_bytes(std::span{one.name});
      data.insert(data.end(), name.begin(), name.end());
    }
    if (!rest.empty())
      data.resize(start + block_size);
  }
  return data;
}

} // namespace nydus::builder
