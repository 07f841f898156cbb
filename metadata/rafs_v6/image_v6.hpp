// SPDX-License-Identifier: Apache-2.0
// A RAFS v6 image behind the face of metadata/image.hpp.
#pragma once

#include <memory>
#include <string>

#include "metadata/image.hpp"
#include "metadata/mapped_file.hpp"

namespace nydus::rafs_v6 {

/// Checks superblocks, tables and root of the image in `file` (from byte `offset` of it, `size` bytes), not
/// its inodes, and puts its chunk table in order. `image_name`: file name of the bootstrap. not_supported:
/// its chunks are stored in a way that this build does not read.
result<std::shared_ptr<const image>> open(std::unique_ptr<mapped_file> file, std::size_t offset,
                                          std::size_t size, const std::string& image_name);

} // namespace nydus::rafs_v6
