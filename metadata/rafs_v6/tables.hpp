// SPDX-License-Identifier: Apache-2.0
// The blob table and the prefetch table (RAFS v6 spec sections 5 and 9).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "metadata/blob.hpp"
#include "metadata/inode.hpp"
#include "metadata/rafs_v6/superblock_check.hpp"

namespace nydus::rafs_v6 {

/// The image's blobs by index. `image_name` is the bootstrap's file name: blobs that hold their own bootstrap
/// are named after it. corrupt names blob, field and value; not_supported: a way to store chunks that needs
/// more than the bootstrap to be read.
result<std::vector<blob>> read_blobs(const checked_superblock& checked, std::span<const std::byte> image,
                                     const std::string& image_name);

/// Inode numbers of the prefetch table up to its first zero.
std::vector<inode_number> read_prefetch_list(const checked_superblock& checked,
                                             std::span<const std::byte> image);

} // namespace nydus::rafs_v6
