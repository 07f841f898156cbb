// SPDX-License-Identifier: Apache-2.0
// What a file system knows of one inode, whatever the image format.
#pragma once

#include <cstdint>
#include <string_view>

namespace nydus {

/// Number of an inode within one image. Which one is the root says image::description().
enum class inode_number : std::uint64_t {};

struct inode_attributes {
  inode_number number{};
  std::uint32_t mode = 0; // st_mode: type and permissions
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t link_count = 1;
  std::uint32_t device = 0; // dev_t as stat shows it, low 32 bits; devices only
  std::uint64_t size = 0;   // bytes
  std::uint64_t blocks = 0; // 512-byte units
  std::uint64_t modified_seconds = 0;
  std::uint32_t modified_nanoseconds = 0;
};

/// One name in a directory. `name` is borrowed from the image.
struct directory_entry {
  std::string_view name;     // raw bytes, 1..255, no '/' and no NUL
  std::uint64_t next_offset; // opaque cursor: where the entry after this one starts
  inode_attributes attributes;
};

} // namespace nydus
