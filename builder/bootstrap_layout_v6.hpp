// SPDX-License-Identifier: Apache-2.0
// Where the inodes of a RAFS v6 image and their data lie (RAFS v6 spec sections 6 to 8), placed as the public
// builder places them (section 7.1). Neighbour: bootstrap_writer_v6 writes what is placed here.
#pragma once

#include <cstdint>
#include <vector>

#include "builder/inode_numbering.hpp"
#include "metadata/rafs_v6/layout.hpp"

namespace nydus::builder {

/// Of one inode; all sizes and offsets in bytes, offsets from where nid 0 would be.
struct inode_place {
  std::uint64_t offset = 0;      // of the inode
  std::uint64_t data_offset = 0; // of its whole blocks
  std::uint64_t data_size = 0;   // of a directory or symlink
  bool is_inline = false;        // what its whole blocks lack follows the inode
};

struct image_layout {
  std::vector<inode_place> places; // by index - 1; a later link of a file has its first link's
  std::uint64_t end = 0;           // of what is placed, a multiple of a block
};

image_layout lay_out(const numbered_inodes& inodes);

} // namespace nydus::builder
