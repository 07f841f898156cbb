// SPDX-License-Identifier: Apache-2.0
// Loads a RAFS v6 image back into a tree; parent_image chooses between this and RAFS v5.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "builder/build_settings.hpp"
#include "builder/chunk_table.hpp"
#include "builder/file_tree.hpp"
#include "builder/image_blob.hpp"
#include "protocol/result.hpp"

namespace nydus::builder {

/// As load_image(), of the bootstrap in `image`, which check_image() let through.
result<std::vector<image_blob>> load_image_v6(const std::string& path, std::span<const std::byte> image,
                                              const build_settings& settings, file_tree& tree,
                                              chunk_table& chunks);

} // namespace nydus::builder
