// SPDX-License-Identifier: Apache-2.0
// Packs directory entries into the answer of READDIR or READDIRPLUS, up to the size that was asked.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "protocol/fuse/abi.hpp"

namespace nydus::fuse {

class dirent_packer {
public:
  /// `limit`: bytes that the asker takes; what does not fit stays for the next request.
  /// `with_attributes`: READDIRPLUS.
  dirent_packer(std::size_t limit, bool with_attributes);

  /// Adds one entry. False, and nothing is added, if it does not fit.
  /// `next_offset`: cursor of the entry that follows; `type`: st_mode >> 12. `entry.nodeid` 0: the kernel
  /// takes no reference ("." and "..").
  bool add(std::string_view name, std::uint64_t inode, std::uint64_t next_offset, std::uint32_t type,
           const fuse_entry_out& entry);

  /// The packed bytes, empty at the end of the directory.
  std::vector<std::byte> take() && { return std::move(bytes_); }

private:
  std::vector<std::byte> bytes_;
  std::size_t limit_;
  bool with_attributes_;
};

} // namespace nydus::fuse
