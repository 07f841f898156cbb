// SPDX-License-Identifier: Apache-2.0
// The blob table, its extension and the prefetch list (RAFS v5 spec sections 4 to 6).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "metadata/blob.hpp"
#include "metadata/inode.hpp"
#include "metadata/rafs_v5/superblock_check.hpp"

namespace nydus::rafs_v5 {

/// The image's blobs by index. `image_name` is the bootstrap's file name: blobs that hold their own bootstrap
/// are named after it (section 14). corrupt if an id is no file name or the extended table is too short.
result<std::vector<blob>> read_blobs(const checked_superblock& checked, std::span<const std::byte> image,
                                     const std::string& image_name);

/// Inode numbers of the prefetch table up to its first zero.
std::vector<inode_number> read_prefetch_list(const checked_superblock& checked,
                                             std::span<const std::byte> image);

} // namespace nydus::rafs_v5
