// SPDX-License-Identifier: Apache-2.0
// Which reads of a blob fetch a set of its chunks: neighbours in the blob share one read.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "metadata/blob.hpp"
#include "metadata/chunk.hpp"

namespace nydus {

/// Bytes [offset, offset + size) of the blob and the chunks stored in them, by their offset.
struct planned_read {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::vector<chunk> chunks;
};

/// Bytes to read for one chunk. Legacy gzip images do not record it: then an upper bound (RAFS v5 spec 15.3).
std::uint64_t stored_size(const chunk& wanted, const blob& source) noexcept;

/// Reads for all of `wanted` (of one blob, any order, duplicates allowed), merged where no gap lies between
/// them and the read stays within `batch_size` bytes. 0: one read per chunk.
std::vector<planned_read> plan_reads(std::span<const chunk> wanted, const blob& source,
                                     std::uint64_t batch_size);

} // namespace nydus
