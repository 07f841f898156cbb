// SPDX-License-Identifier: Apache-2.0
// A RAFS v5 image behind the face of metadata/image.hpp.
#pragma once

#include <memory>
#include <string>

#include "metadata/image.hpp"
#include "metadata/mapped_file.hpp"

namespace nydus::rafs_v5 {

/// Checks superblock, tables and root of the image in `file` (from byte `offset` of it, `size` bytes), not
/// its inodes. `image_name`: file name of the bootstrap.
result<std::shared_ptr<const image>> open(std::unique_ptr<mapped_file> file, std::size_t offset,
                                          std::size_t size, const std::string& image_name);

} // namespace nydus::rafs_v5
