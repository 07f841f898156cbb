// SPDX-License-Identifier: Apache-2.0
// Cuts the files of a tree into chunks and writes those that are new to the data blob (RAFS v5 spec
// section 19.5).
#pragma once

#include <span>
#include <string>

#include "builder/file_tree.hpp"
#include "metadata/compression.hpp"
#include "protocol/result.hpp"

namespace nydus {

struct dump_options {
  compressor compression = compressor::zstd;
  digester digests = digester::blake3;
  std::uint32_t chunk_size = rafs_v5::default_chunk_size;
  bool is_aligned = false; // chunks start at multiples of 4096 in the cache file
  unsigned threads = 2;    // that digest and compress
};

/// What was written.
struct dumped_blob {
  std::string id; // SHA-256 of the blob, hex; empty if nothing was stored
  std::uint32_t chunk_count = 0;
  std::uint64_t compressed_size = 0;
  std::uint64_t uncompressed_size = 0;
  std::uint64_t stored_bytes = 0; // of file data, before compression
  std::uint64_t dedup_chunks = 0;
  std::uint64_t dedup_bytes = 0;
};

/// Dumps `files` in that order to `fd` and fills their chunk records and digests. Digests and compresses in
/// threads of its own; memory is bounded by a few chunks per thread.
result<dumped_blob> dump_files(std::span<file_node* const> files, const dump_options& options, int fd);

} // namespace nydus
