// SPDX-License-Identifier: Apache-2.0
// Stores the data of the files of one layer as chunks of one blob (spec section 19.5): chunk numbers, offsets
// and duplicates come out as if one thread had done it all, whatever the number of threads.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "builder/build_settings.hpp"
#include "builder/chunk_dictionary.hpp"
#include "builder/chunk_table.hpp"
#include "builder/image_blob.hpp"
#include "builder/output_file.hpp"
#include "builder/prefetch_patterns.hpp"
#include "protocol/result.hpp"

namespace nydus::builder {

/// What the whole build refers to, filled step by step.
struct image_content {
  chunk_table chunks;
  std::vector<image_blob> blobs;
};

struct stored_content {
  std::optional<std::size_t> blob;     // index of the layer's own blob; none if no chunk was stored
  std::uint64_t uncompressed_size = 0; // bytes of the chunks that were stored
  std::uint64_t duplicate_count = 0;   // chunks that were found instead
  std::uint64_t duplicate_size = 0;    // bytes of them, uncompressed
};

/// Fills in tree_node::chunks of the plan's files, adds the chunks and at the first one the blob, whose id is
/// still empty or the user's. Failures: not_found, unavailable (a file vanished or shrank), no_space,
/// not_supported (too many chunks or blobs), interrupted.
result<stored_content> store_files(const build_settings& settings, const prefetch_plan& plan,
                                   std::uint64_t content_size, chunk_dictionary& dictionary,
                                   image_content& content, output_file& blob);

} // namespace nydus::builder
