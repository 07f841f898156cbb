// SPDX-License-Identifier: Apache-2.0
// Which chunks this process put into a cache file, for images that do not number their chunks (before v1.1).
// Neighbours: chunk_presence does it with one bit per chunk where there are numbers.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "metadata/chunk.hpp"

namespace nydus {

/// A set that only grows, of chunks told apart by their place in the blob and their digest.
///
/// Threads: all members from any thread, without locks. insert() releases what was written before it,
///   contains() acquires it.
class loose_presence {
public:
  loose_presence() = default;
  loose_presence(const loose_presence&) = delete;
  loose_presence& operator=(const loose_presence&) = delete;
  ~loose_presence();

  bool contains(const chunk& wanted) const noexcept;
  /// Forgets it if there is no memory: the chunk is then fetched again.
  void insert(const chunk& kept) noexcept;
  std::uint64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

private:
  using slot = std::atomic<std::uint64_t>; // a chunk's key; 0: free

  // A chunk is in the first table that had a free slot for it; each table is twice as large as the one
  // before.
  std::array<std::atomic<slot*>, 20> tables_{};
  std::atomic<std::uint64_t> count_{0};
};

} // namespace nydus
