// SPDX-License-Identifier: Apache-2.0
// What a mount answers out of its image's metadata alone: every request but READ. Pure, and cheap enough for
// a reactor. Neighbours: rafs_mount asks it; attribute_reply is how FUSE shows an inode.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "actors/fs_request.hpp"
#include "actors/rafs_mount.hpp"
#include "protocol/fuse/abi.hpp"
#include "protocol/result.hpp"

namespace nydus {

using metadata_body = std::variant<inline_body, std::vector<std::byte>>;

/// The answer's body. not_supported for a call that the kernel then stops making; what else fails is the
/// asker's affair or, if corrupt, the image's.
result<metadata_body> answer_of_metadata(const fuse::request& asked, const rafs_mount_parts& parts);

/// The node id of `inode` in that mount, and back.
std::uint64_t node_id_of(const rafs_mount_parts& parts, inode_number inode) noexcept;
inode_number inode_of_node(const rafs_mount_parts& parts, std::uint64_t node_id) noexcept;

/// Attributes as the kernel is to see them, owners mapped.
fuse_attr attributes_in(const rafs_mount_parts& parts, const inode_attributes& shown) noexcept;

} // namespace nydus
