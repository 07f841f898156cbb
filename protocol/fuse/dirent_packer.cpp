// SPDX-License-Identifier: Apache-2.0
#include "protocol/fuse/dirent_packer.hpp"

#include <algorithm>
#include <cstring>

namespace nydus::fuse {

dirent_packer::dirent_packer(std::size_t limit, bool with_attributes)
    : limit_(std::min<std::size_t>(limit, max_read)), with_attributes_(with_attributes) {
  bytes_.reserve(limit_);
}

bool dirent_packer::add(std::string_view name, std::uint64_t inode, std::uint64_t next_offset,
                        std::uint32_t type, const fuse_entry_out& entry) {
  const auto entry_size = with_attributes_ ? sizeof(fuse_entry_out) : 0;
  const auto size = FUSE_DIRENT_ALIGN(entry_size + FUSE_NAME_OFFSET + name.size());
  if (bytes_.size() + size > limit_)
    return false;
  const auto start = bytes_.size();
  bytes_.resize(start + size);
  auto* out = bytes_.data() + start;
  if (with_attributes_)
    std::memcpy(out, &entry, sizeof entry);
  fuse_dirent dirent{};
  dirent.ino = inode;
  dirent.off = next_offset;
  dirent.namelen = static_cast<std::uint32_t>(name.size());
  dirent.type = type;
  std::memcpy(out + entry_size, &dirent, FUSE_NAME_OFFSET);
  std::memcpy(out + entry_size + FUSE_NAME_OFFSET, name.data(), name.size());
  return true;
}

} // namespace nydus::fuse
