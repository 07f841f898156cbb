// SPDX-License-Identifier: Apache-2.0
// A file's bytes as memory, read-only. They are mapped and shared: pages come when they are touched and
// belong to the page cache. Where a touch might hang (FUSE, a network's file system) all are read at once
// instead, so that later nobody waits for them.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "protocol/result.hpp"

namespace nydus {

/// Threads: any. The file may be replaced or cut short while mapped: bytes that are gone read as zeros.
class mapped_file {
public:
  /// Blocks as long as its file system does. Failures: not_found, unavailable, malformed (no regular file).
  static result<std::unique_ptr<mapped_file>> open(const std::string& path);
  ~mapped_file();

  std::span<const std::byte> bytes() const noexcept { return {static_cast<const std::byte*>(start_), size_}; }

  static constexpr std::size_t expected_at_once = 128 << 10; // some hundred inodes
  /// Bytes from `offset` on are about to be touched in order: the kernel starts to read that many of them,
  /// once. Any other touch reads its own page alone, whatever the disk's read-ahead. Waits for nothing.
  void expect(std::size_t offset) const noexcept;

private:
  mapped_file() = default;
  void* start_ = nullptr;
  std::size_t size_ = 0;
  mutable std::vector<std::atomic<bool>> expected_; // by window; none where all is in memory anyway
};

} // namespace nydus
