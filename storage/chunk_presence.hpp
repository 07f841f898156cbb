// SPDX-License-Identifier: Apache-2.0
// Which chunks of a blob are in its cache file: bits in a mapped file that processes share (RAFS v6 spec
// section 13, <blob id>.blob.data.chunk_map), or in memory alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "protocol/result.hpp"

namespace nydus {

/// Threads: test() and set() from any thread. set() releases what was written before it, test() acquires it.
class chunk_presence {
public:
  /// Maps the chunk map at `path` for `chunk_count` chunks, making it if it is missing. One of a wrong size
  /// or magic is replaced by an empty one. A process killed at any point leaves a map that is valid or is
  /// replaced.
  static result<std::unique_ptr<chunk_presence>> open(const std::string& path, std::uint32_t chunk_count);
  /// Bits that die with the process.
  static std::unique_ptr<chunk_presence> in_memory(std::uint32_t chunk_count);
  ~chunk_presence();

  bool test(std::uint32_t index) const noexcept;
  void set(std::uint32_t index) noexcept;
  /// How many are set; counts all bits.
  std::uint64_t count() const noexcept;
  std::uint32_t chunk_count() const noexcept { return chunk_count_; }

private:
  chunk_presence() = default;

  std::unique_ptr<std::atomic<std::uint8_t>[]> own_; // in_memory()
  void* mapping_ = nullptr;                          // open(): header and bits
  std::size_t mapping_size_ = 0;
  std::atomic<std::uint8_t>* bits_ = nullptr;
  std::uint32_t chunk_count_ = 0;
  bool all_ready_ = false;
};

} // namespace nydus
