// SPDX-License-Identifier: Apache-2.0
// Walks images in tests, by the face alone.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "metadata/image.hpp"

namespace nydus {

/// Path below the root ("a/b") -> attributes as listed, of all that can be listed; `failures` gets what could
/// not. Ends after `most` entries, whatever the image says.
inline std::map<std::string, inode_attributes> walk_image(const image& opened, std::vector<failure>& failures,
                                                          std::size_t most = 1'000'000) {
  std::map<std::string, inode_attributes> found;
  std::vector<std::pair<std::string, inode_number>> directories{{"", opened.description().root}};
  while (!directories.empty() && found.size() < most) {
    const auto prefix = directories.back().first;
    const auto directory = directories.back().second;
    directories.pop_back();
    const auto listed = opened.list(directory, 0, [&](const directory_entry& entry) {
      auto path = prefix + std::string{entry.name};
      if ((entry.attributes.mode & 0170000) == 0040000)
        directories.emplace_back(path + "/", entry.attributes.number);
      found.emplace(std::move(path), entry.attributes);
      return found.size() < most;
    });
    if (!listed)
      failures.push_back(listed.error());
  }
  return found;
}

/// Asks every question of every inode; returns the failures. Memory stays bounded as reads are of 1 MiB.
inline std::vector<failure> ask_everything(const image& opened, std::uint64_t most_inodes = 4096) {
  std::vector<failure> failures;
  const auto note = [&](const auto& answer) {
    if (!answer)
      failures.push_back(answer.error());
    return static_cast<bool>(answer);
  };
  const auto last = std::min(opened.description().highest_inode, most_inodes);
  std::vector<chunk_slice> slices;
  for (std::uint64_t number = 0; number <= last + 1; ++number) {
    const inode_number inode{number};
    const auto attributes = opened.attributes(inode);
    if (!note(attributes))
      continue;
    note(opened.verify(inode));
    std::string name;
    note(opened.list_xattrs(inode, [&](auto key, auto) { name = key; }));
    note(opened.xattr(inode, name));
    switch (attributes->mode & 0170000) {
    case 0040000:
      note(opened.parent(inode));
      note(opened.list(inode, 0, [&](const directory_entry& entry) {
        note(opened.lookup(inode, entry.name));
        return true;
      }));
      break;
    case 0100000:
      for (const auto offset : {std::uint64_t{0}, std::uint64_t{5000}, attributes->size - 1}) {
        slices.clear();
        note(opened.slices(inode, offset, 1 << 20, slices));
      }
      break;
    case 0120000:
      note(opened.symlink_target(inode));
      break;
    default:
      break;
    }
  }
  (void) opened.prefetch_list();
  std::vector<failure> of_walk;
  (void) walk_image(opened, of_walk, 4 * most_inodes);
  failures.insert(failures.end(), of_walk.begin(), of_walk.end());
  return failures;
}

} // namespace nydus
