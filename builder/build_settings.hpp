// SPDX-License-Identifier: Apache-2.0
// What `nydus-image create` was asked for.
#pragma once

#include <cstdint>
#include <string>

#include "metadata/compression.hpp"
#include "metadata/digest.hpp"
#include "metadata/rafs_v5/layout.hpp"

namespace nydus::builder {

/// How a layer says that something of the layer below is gone (spec section 19.8).
enum class whiteout_spec : std::uint8_t { oci, overlayfs, none };

/// What is put at the head of the blob and who is told (spec section 19.7).
enum class prefetch_policy : std::uint8_t { none, fs, blob };

struct build_settings {
  std::string source;               // directory
  std::string bootstrap;            // file; empty: in blob_directory, named by its SHA-256
  std::string blob;                 // file or fifo; empty: in blob_directory, named by its id
  std::string blob_directory;       // exists
  std::string blob_id;              // empty: the blob's SHA-256
  std::string parent_bootstrap;     // empty: a first layer
  std::string chunk_dictionary;     // bootstrap of an image whose chunks may be referred to; empty: none
  std::string output_json;          // file for the report; empty: none
  std::uint64_t blob_offset = 0;    // bytes, added to all recorded offsets
  std::uint32_t format_version = 5; // RAFS v5 or v6
  std::uint32_t chunk_size = rafs_v5::default_chunk_size; // bytes
  compressor compression = compressor::zstd;
  digester digests = digester::blake3;
  whiteout_spec whiteouts = whiteout_spec::oci;
  prefetch_policy prefetch = prefetch_policy::none;
  bool has_aligned_chunks = false; // uncompressed offsets are multiples of 4 KiB
  bool is_repeatable = false;      // owners are left out
  bool has_inlined_bootstrap = false;
  bool shows_progress = false; // on stderr
  unsigned thread_count = 2;   // that read, digest and compress

  /// In RAFS v6 they always begin at a block.
  bool aligns_chunks() const noexcept { return has_aligned_chunks || format_version == 6; }
};

} // namespace nydus::builder
