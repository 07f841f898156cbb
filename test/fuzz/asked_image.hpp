// SPDX-License-Identifier: Apache-2.0
// Opens bytes as a bootstrap and asks the image everything.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "metadata/image.hpp"

namespace nydus {

/// Of these inodes, as far as the image has them.
inline void ask_image(std::span<const std::uint8_t> bytes, std::span<const std::uint64_t> numbers) {
  const int fd = ::memfd_create("bootstrap", 0);
  (void) !::write(fd, bytes.data(), bytes.size());
  if (auto opened = open_image("/proc/self/fd/" + std::to_string(fd))) {
    const auto& image = **opened;
    std::vector<chunk_slice> slices;
    for (const auto number : numbers) {
      if (number > image.description().highest_inode)
        continue;
      const inode_number inode{number};
      (void) image.attributes(inode), (void) image.parent(inode), (void) image.symlink_target(inode);
      (void) image.lookup(inode, "name"), (void) image.verify(inode), (void) image.xattr(inode, "user.x");
      (void) image.list_xattrs(inode, [](auto, auto) {});
      (void) image.list(inode, 0, [](const directory_entry&) { return true; });
      (void) image.following(inode);
      slices.clear();
      (void) image.slices(inode, 1, 1 << 20, slices);
    }
    (void) image.prefetch_list();
  }
  ::close(fd);
}

} // namespace nydus
