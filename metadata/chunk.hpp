// SPDX-License-Identifier: Apache-2.0
// One chunk of a blob and the part of it that a byte range of a file needs.
#pragma once

#include <cstdint>

#include "metadata/digest.hpp"

namespace nydus {

/// A chunk as it is stored in its blob and as it lies in the cache file.
struct chunk {
  digest_bytes digest{};                 // of the decompressed data
  std::uint32_t blob_index = 0;          // into image::blobs(), checked
  std::uint32_t index = 0;               // within the blob; checked < chunk_count where the blob has one
  std::uint32_t compressed_size = 0;     // bytes in the blob; 0: unknown (legacy gzip)
  std::uint32_t uncompressed_size = 0;   // bytes, 1..chunk size of the image
  std::uint64_t compressed_offset = 0;   // bytes from blob start
  std::uint64_t uncompressed_offset = 0; // bytes from the start of the cache file
  std::uint32_t crc32c = 0;              // valid if has_crc32c
  bool is_compressed = false;
  bool has_crc32c = false;
};

/// Bytes [offset, offset + size) of one chunk; or that many zeros where the file has a hole.
struct chunk_slice {
  chunk source;
  std::uint32_t offset = 0; // bytes into the decompressed chunk
  std::uint32_t size = 0;   // bytes; > 0
  bool is_hole = false;     // source is meaningless then
};

} // namespace nydus
