// SPDX-License-Identifier: Apache-2.0
#include "actors/attribute_reply.hpp"

namespace nydus {

fuse_attr to_fuse(const inode_attributes& shown, std::uint64_t node_id) noexcept {
  fuse_attr attributes{};
  attributes.ino = node_id;
  attributes.size = shown.size;
  attributes.blocks = shown.blocks;
  attributes.mtime = shown.modified_seconds;
  attributes.atime = shown.modified_seconds;
  attributes.ctime = shown.modified_seconds;
  attributes.mtimensec = shown.modified_nanoseconds;
  attributes.atimensec = shown.modified_nanoseconds;
  attributes.ctimensec = shown.modified_nanoseconds;
  attributes.mode = shown.mode;
  attributes.nlink = shown.link_count;
  attributes.uid = shown.uid;
  attributes.gid = shown.gid;
  attributes.rdev = shown.device;
  attributes.blksize = 4096;
  return attributes;
}

fuse_entry_out entry_reply(const fuse_attr& attributes, std::uint64_t valid_seconds) noexcept {
  fuse_entry_out out{};
  out.nodeid = attributes.ino;
  out.entry_valid = valid_seconds;
  out.attr_valid = valid_seconds;
  out.attr = attributes;
  return out;
}

fuse_entry_out no_entry_reply(std::uint64_t valid_seconds) noexcept {
  fuse_entry_out out{};
  out.entry_valid = valid_seconds;
  return out;
}

fuse_attr_out attributes_reply(const fuse_attr& attributes, std::uint64_t valid_seconds) noexcept {
  fuse_attr_out out{};
  out.attr_valid = valid_seconds;
  out.attr = attributes;
  return out;
}

} // namespace nydus
