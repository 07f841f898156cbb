// SPDX-License-Identifier: Apache-2.0
// The tree that becomes an image: one node per path, with all that its record will say.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "metadata/rafs_v5/layout.hpp"

namespace nydus {

/// Owned by its parent; used by one thread.
struct file_node {
  std::string name; // raw bytes; the root's is "/"
  std::string source_path;
  rafs_v5::inode record;                                   // filled step by step: scan, number, dump, digest
  std::string target;                                      // symlinks
  std::vector<std::pair<std::string, std::string>> xattrs; // sorted by name
  std::vector<rafs_v5::chunk_record> chunks;               // regular files
  std::vector<std::unique_ptr<file_node>> children;        // directories, sorted by name
  std::pair<std::uint64_t, std::uint64_t> source_identity; // device and inode: hard links share it
  std::uint32_t index = 0;                                 // child index of its record

  bool is_directory() const noexcept { return (record.mode & 0170000) == 0040000; }
  bool is_regular() const noexcept { return (record.mode & 0170000) == 0100000; }
  bool is_symlink() const noexcept { return (record.mode & 0170000) == 0120000; }
};

/// Bytes of the node's xattr pairs in its record (RAFS v5 spec section 9).
std::uint64_t xattr_size(const file_node& node) noexcept;

/// Numbers all nodes (section 19.4) and gives them in that order, the root first. `inode_count`: unique
/// inodes.
std::vector<file_node*> number_tree(file_node& root, std::uint64_t& inode_count);

/// Computes the digests of directories from their children's, bottom-up (section 11).
void digest_directories(file_node& root, digester kind);

} // namespace nydus
