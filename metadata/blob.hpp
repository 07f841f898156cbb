// SPDX-License-Identifier: Apache-2.0
// One data blob that an image refers to.
#pragma once

#include <cstdint>
#include <string>

#include "metadata/compression.hpp"
#include "metadata/digest.hpp"

namespace nydus {

struct blob {
  std::string id; // names the blob in its backend and the cache files; no '/', no NUL
  compressor compression = compressor::none;
  digester digests = digester::blake3;
  std::uint32_t chunk_size = 0;        // bytes, power of two
  std::uint32_t chunk_count = 0;       // 0: the image does not number its chunks (before v1.1)
  std::uint32_t readahead_size = 0;    // bytes of stored data at the head that the builder wants prefetched
  std::uint32_t features = 0;          // raw feature word of the (v5: extended) blob table
  std::uint64_t file_size = 0;         // bytes of the blob as far as its builder knew; 0: unknown
  std::uint64_t compressed_size = 0;   // bytes at its head in which chunks lie; 0: unknown
  std::uint64_t uncompressed_size = 0; // bytes of the cache file; 0: unknown
  bool has_data_digests = true;        // false: legacy gzip images, whose chunk ids are no digests
  /// Chunks can be told apart by their index; else only by their offset.
  bool has_chunk_index() const noexcept { return chunk_count != 0; }
};

} // namespace nydus
