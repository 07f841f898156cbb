// SPDX-License-Identifier: Apache-2.0
// THE FACE of builder/: makes an image of a directory (spec section 19.1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "builder/build_settings.hpp"
#include "builder/prefetch_patterns.hpp"
#include "protocol/result.hpp"

namespace nydus::builder {

/// Wall time of the steps, in seconds.
struct build_times {
  double load_from_directory = 0;
  double build_bootstrap = 0; // layers, numbers, prefetch
  double dump_blob = 0;
  double dump_bootstrap = 0;
  double total_build = 0;
};

struct built_image {
  std::string bootstrap_path;        // empty: inlined
  std::string blob_path;             // empty: no data was stored
  std::vector<std::string> blob_ids; // of the blob table
  std::uint64_t bootstrap_size = 0;  // bytes
  std::uint64_t blob_size = 0;       // bytes of the file, 0 without one
  std::uint64_t entry_count = 0;     // scanned
  std::uint64_t uncompressed_size = 0;
  std::uint64_t duplicate_count = 0;
  std::uint64_t duplicate_size = 0;
  build_times times;
};

/// Builds and publishes; on failure nothing new lies anywhere. Starts settings.thread_count threads and ends
/// them. Failures name the path and the cause.
result<built_image> build_image(const build_settings& settings, const prefetch_patterns& patterns);

} // namespace nydus::builder
