// SPDX-License-Identifier: Apache-2.0
// A blob of uncompressed chunks of 4 KiB, one behind the other, whose bytes tell their number: for tests of
// cache files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "metadata/image.hpp"
#include "storage/mount_settings.hpp"

namespace nydus::fake {

constexpr std::uint32_t chunk_bytes = 4096;

inline blob numbered_blob(std::uint32_t chunks) {
  blob source;
  source.id = "blob";
  source.chunk_size = chunk_bytes;
  source.chunk_count = chunks;
  source.uncompressed_size = std::uint64_t{chunks} * chunk_bytes;
  source.compressed_size = source.uncompressed_size;
  return source;
}

inline chunk chunk_at(std::uint32_t index) {
  chunk one;
  one.index = index;
  one.compressed_size = one.uncompressed_size = chunk_bytes;
  one.compressed_offset = one.uncompressed_offset = std::uint64_t{index} * chunk_bytes;
  return one;
}

inline std::vector<std::byte> bytes_of(std::uint32_t index) {
  return std::vector<std::byte>(chunk_bytes, static_cast<std::byte>(index % 255 + 1));
}

/// Cache files in `folder`.
inline cache_config files_in(const std::string& folder) {
  cache_config config;
  config.kind = cache_config::placement::files;
  config.work_directory = folder;
  return config;
}

} // namespace nydus::fake
