// SPDX-License-Identifier: Apache-2.0
// One entry of the blob table, as it is written (RAFS v5 spec sections 5 and 6, RAFS v6 spec section 5).
#pragma once

#include <cstdint>
#include <string>

#include "metadata/rafs_v6/layout.hpp"

namespace nydus::builder {

struct image_blob {
  std::string id;
  std::uint32_t readahead_size = 0; // bytes of stored data at the blob's head
  std::uint32_t chunk_count = 0;
  std::uint32_t features = 0;          // blob_feature of the format
  std::uint64_t uncompressed_size = 0; // bytes of the cache file
  std::uint64_t compressed_size = 0;   // bytes of the blob
  /// RAFS v6: as in its table, of a layer below whole; of the own blob what chunk_infos filled in.
  rafs_v6::blob_entry entry{};
};

} // namespace nydus::builder
