// SPDX-License-Identifier: Apache-2.0
// The tree of an image while it is built: what was scanned or loaded, and what the steps of the build fill
// in. Neighbours: directory_source and parent_image make nodes; inode_numbering, blob_writer and node_digests
// complete them; the bootstrap writers write them.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "metadata/digest.hpp"

namespace nydus::builder {

struct extended_attribute {
  std::string name;
  std::string value; // raw bytes
};

/// One entry. Fields of the last group are filled in by the steps named there.
struct tree_node {
  std::string name;   // raw bytes; "/" for the root
  std::string target; // symlink: raw bytes
  tree_node* parent = nullptr;
  std::vector<tree_node*> children;       // directory: by name
  std::vector<extended_attribute> xattrs; // by name
  std::uint32_t mode = 0;                 // st_mode
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t device = 0; // low half of st_rdev
  std::uint64_t size = 0;   // bytes
  std::uint64_t blocks = 0; // 512-byte units
  std::uint64_t flags = 0;  // rafs_v5::inode_flag
  std::uint64_t modified_seconds = 0;
  std::uint32_t modified_nanoseconds = 0;
  std::uint32_t project = 0;
  std::uint64_t source_inode = 0; // st_ino, or i_ino in the parent image
  std::uint64_t source_device = 0;
  bool is_inherited = false;   // from the parent image: its chunks and digest stand
  bool may_have_links = false; // other nodes may have the same source_inode

  std::uint32_t index = 0;           // inode_numbering: position in the inode table, from 1
  std::uint32_t number = 0;          // inode_numbering: index of the first link
  std::uint32_t link_count = 1;      // inode_numbering
  std::uint32_t child_index = 0;     // inode_numbering: directory
  std::vector<std::uint32_t> chunks; // blob_writer: positions in the chunk_table, in file order
  digest_bytes digest{};             // node_digests

  bool is_directory() const noexcept { return S_ISDIR(mode); }
  bool is_regular() const noexcept { return S_ISREG(mode); }
  bool is_symlink() const noexcept { return S_ISLNK(mode); }
};

/// Owns all nodes; pointers to them stay good as long as it lives.
class file_tree {
public:
  tree_node& make_node() { return nodes_.emplace_back(); }
  tree_node* root = nullptr;

private:
  std::deque<tree_node> nodes_;
};

/// All nodes from `root` down: each before its children, subtrees in name order.
std::vector<tree_node*> depth_first(tree_node& root);

/// The child called `name`, or nullptr.
tree_node* find_child(const tree_node& directory, const std::string& name);

/// The place in the image: "/", "/a/b".
std::string path_of(const tree_node& node);

/// Bytes of the node's xattr pairs as they lie on disk (spec section 9), without count and padding.
std::uint64_t xattr_block_size(const tree_node& node);

/// i_blocks of a node whose size and xattrs are known (spec section 19.3).
std::uint64_t block_count(const tree_node& node);

} // namespace nydus::builder
