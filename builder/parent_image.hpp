// SPDX-License-Identifier: Apache-2.0
// Loads a built image back into a tree, to build on it (--parent-bootstrap) or to refer to its chunks.
#pragma once

#include <string>
#include <vector>

#include "builder/build_settings.hpp"
#include "builder/chunk_table.hpp"
#include "builder/file_tree.hpp"
#include "builder/image_blob.hpp"
#include "protocol/result.hpp"

namespace nydus::builder {

/// Sets tree.root, adds the chunks to `chunks` and gives the blob table. `path`: a bootstrap or a blob that
/// holds one. Failures: as of open_image; not_supported if its chunk size, algorithms or way of keeping
/// owners differ from the settings', as one image can have only one of each.
result<std::vector<image_blob>> load_image(const std::string& path, const build_settings& settings,
                                           file_tree& tree, chunk_table& chunks);

} // namespace nydus::builder
