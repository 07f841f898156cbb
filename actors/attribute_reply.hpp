// SPDX-License-Identifier: Apache-2.0
// Attributes of an inode as FUSE shows them.
#pragma once

#include "metadata/inode.hpp"
#include "protocol/fuse/abi.hpp"

namespace nydus {

/// `node_id`: what the kernel calls the inode, shown as st_ino too.
fuse_attr to_fuse(const inode_attributes& shown, std::uint64_t node_id) noexcept;

/// `valid_seconds`: how long the kernel may believe both the name and the attributes.
fuse_entry_out entry_reply(const fuse_attr& attributes, std::uint64_t valid_seconds) noexcept;
/// A name that is known not to exist.
fuse_entry_out no_entry_reply(std::uint64_t valid_seconds) noexcept;
fuse_attr_out attributes_reply(const fuse_attr& attributes, std::uint64_t valid_seconds) noexcept;

} // namespace nydus
