// SPDX-License-Identifier: Apache-2.0
// One entry of the blob table and its extension, as they are written (spec sections 5 and 6).
#pragma once

#include <cstdint>
#include <string>

namespace nydus::builder {

struct image_blob {
  std::string id;
  std::uint32_t readahead_size = 0; // bytes of stored data at the blob's head
  std::uint32_t chunk_count = 0;
  std::uint32_t features = 0;          // rafs_v5::blob_feature
  std::uint64_t uncompressed_size = 0; // bytes of the cache file
  std::uint64_t compressed_size = 0;   // bytes of the blob
};

} // namespace nydus::builder
