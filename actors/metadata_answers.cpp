// SPDX-License-Identifier: Apache-2.0
#include "actors/metadata_answers.hpp"

#include <sys/stat.h>

#include <string_view>

#include "actors/attribute_reply.hpp"
#include "protocol/fuse/dirent_packer.hpp"

namespace nydus {

namespace {

using answer = result<metadata_body>;

/// True for the node that the mounts before and after this one have too.
bool is_shared_node(const rafs_mount_parts& parts, std::uint64_t node_id) noexcept {
  return parts.is_root && node_id == FUSE_ROOT_ID;
}

metadata_body copy_of(std::span<const std::byte> bytes) {
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

template <class Record>
metadata_body record_of(const Record& record) {
  return inline_body::of(record);
}

answer lookup(const fuse::request& asked, const rafs_mount_parts& parts) {
  const auto& contents = *parts.contents;
  const auto inode = inode_of_node(parts, asked.nodeid);
  result<inode_attributes> found = failure{};
  if (asked.name == ".")
    found = contents.attributes(inode);
  else if (asked.name == "..") {
    const auto parent = contents.parent(inode);
    found = parent ? contents.attributes(*parent) : result<inode_attributes>{parent.error()};
  } else
    found = contents.lookup(inode, asked.name);
  if (found)
    return record_of(entry_reply(attributes_in(parts, *found), fuse::forever));
  // What the root lacks is not remembered where the mount is the root of all: the next image there has the
  // same node id.
  if (found.error().code == errc::not_found)
    return record_of(no_entry_reply(is_shared_node(parts, asked.nodeid) ? 0 : fuse::forever));
  return found.error();
}

answer attributes(const fuse::request& asked, const rafs_mount_parts& parts) {
  const auto found = parts.contents->attributes(inode_of_node(parts, asked.nodeid));
  if (!found)
    return found.error();
  return record_of(attributes_reply(attributes_in(parts, *found), fuse::forever));
}

answer symlink_target(const fuse::request& asked, const rafs_mount_parts& parts) {
  const auto target = parts.contents->symlink_target(inode_of_node(parts, asked.nodeid));
  if (!target)
    return target.error();
  return copy_of(std::as_bytes(std::span{*target}));
}

answer statistics(const rafs_mount_parts& parts) {
  fuse_statfs_out out{};
  out.st.bsize = 512;
  out.st.frsize = 512;
  out.st.namelen = 255;
  out.st.files = parts.contents->description().inode_count;
  return record_of(out);
}

bool serves_xattrs(const rafs_mount_parts& parts) noexcept {
  return parts.settings->enable_xattr || parts.contents->description().has_xattrs;
}

/// The bytes, or their number if that was asked (size 0).
answer sized(const fuse::request& asked, std::span<const std::byte> bytes) {
  if (asked.size == 0) {
    fuse_getxattr_out out{};
    out.size = static_cast<std::uint32_t>(bytes.size());
    return record_of(out);
  }
  if (bytes.size() > asked.size)
    return failure{errc::buffer_too_small, {}};
  return copy_of(bytes);
}

answer xattr(const fuse::request& asked, const rafs_mount_parts& parts) {
  // Never ENOSYS: the kernel would stop asking for every mount of the connection.
  if (!serves_xattrs(parts))
    return failure{errc::no_attribute, {}};
  const auto value = parts.contents->xattr(inode_of_node(parts, asked.nodeid), asked.name);
  if (!value)
    return value.error();
  return sized(asked, std::as_bytes(std::span{*value}));
}

answer xattr_names(const fuse::request& asked, const rafs_mount_parts& parts) {
  std::vector<char> names;
  if (serves_xattrs(parts)) {
    const auto inode = inode_of_node(parts, asked.nodeid);
    const auto listed = parts.contents->list_xattrs(inode, [&](std::string_view name, std::string_view) {
      names.insert(names.end(), name.begin(), name.end());
      names.push_back('\0');
    });
    if (!listed)
      return listed.error();
  }
  return sized(asked, std::as_bytes(std::span{names}));
}

answer listing(const fuse::request& asked, const rafs_mount_parts& parts) {
  const auto& contents = *parts.contents;
  const auto inode = inode_of_node(parts, asked.nodeid);
  const auto parent = contents.parent(inode);
  if (!parent)
    return parent.error();
  fuse::dirent_packer packer{asked.size, asked.opcode == FUSE_READDIRPLUS};
  // Cursor 0 is ".", 1 is "..", k + 2 is the image's cursor k.
  auto cursor = asked.offset;
  const fuse_entry_out none{};
  bool fits = true;
  if (cursor == 0)
    fits = packer.add(".", node_id_of(parts, inode), ++cursor, S_IFDIR >> 12, none);
  if (fits && cursor == 1)
    fits = packer.add("..", node_id_of(parts, *parent), ++cursor, S_IFDIR >> 12, none);
  if (fits) {
    const auto listed = contents.list(inode, cursor - 2, [&](const directory_entry& entry) {
      const auto shown = attributes_in(parts, entry.attributes);
      return packer.add(entry.name, shown.ino, entry.next_offset + 2, entry.attributes.mode >> 12,
                        entry_reply(shown, fuse::forever));
    });
    if (!listed)
      return listed.error();
  }
  return metadata_body{std::move(packer).take()};
}

std::uint32_t mapped(const id_mapping& owners, std::uint32_t id) noexcept {
  return id >= owners.internal && id - owners.internal < owners.range
             ? owners.external + (id - owners.internal)
             : id;
}

} // namespace

result<metadata_body> answer_of_metadata(const fuse::request& asked, const rafs_mount_parts& parts) {
  switch (asked.opcode) {
  case FUSE_LOOKUP:
    return lookup(asked, parts);
  case FUSE_GETATTR:
    return attributes(asked, parts);
  case FUSE_READLINK:
    return symlink_target(asked, parts);
  case FUSE_STATFS:
    return statistics(parts);
  case FUSE_GETXATTR:
    return xattr(asked, parts);
  case FUSE_LISTXATTR:
    return xattr_names(asked, parts);
  case FUSE_READDIR:
  case FUSE_READDIRPLUS:
    return listing(asked, parts);
  default:
    return failure{errc::not_supported, {}};
  }
}

std::uint64_t node_id_of(const rafs_mount_parts& parts, inode_number inode) noexcept {
  if (parts.is_root && inode == parts.contents->description().root)
    return FUSE_ROOT_ID;
  return make_node_id(parts.number, static_cast<std::uint64_t>(inode));
}

inode_number inode_of_node(const rafs_mount_parts& parts, std::uint64_t node_id) noexcept {
  return is_shared_node(parts, node_id) ? parts.contents->description().root
                                        : inode_number{inode_of(node_id)};
}

fuse_attr attributes_in(const rafs_mount_parts& parts, const inode_attributes& shown) noexcept {
  auto attributes = to_fuse(shown, node_id_of(parts, shown.number));
  attributes.uid = mapped(parts.settings->owners, attributes.uid);
  attributes.gid = mapped(parts.settings->owners, attributes.gid);
  return attributes;
}

} // namespace nydus
