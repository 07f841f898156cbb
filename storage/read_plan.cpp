// SPDX-License-Identifier: Apache-2.0
#include "storage/read_plan.hpp"

#include <algorithm>

namespace nydus {

std::uint64_t stored_size(const chunk& wanted, const blob& source) noexcept {
  if (source.compression == compressor::gzip && wanted.is_compressed) {
    const std::uint64_t plain = wanted.uncompressed_size;
    const auto bound = plain + 10 + 8 + 5 + (plain / 16384) * 5 + 128;
    if (source.compressed_size > wanted.compressed_offset)
      return std::min(bound, source.compressed_size - wanted.compressed_offset);
    return bound;
  }
  return wanted.is_compressed ? wanted.compressed_size : wanted.uncompressed_size;
}

std::vector<planned_read> plan_reads(std::span<const chunk> wanted, const blob& source,
                                     std::uint64_t batch_size) {
  std::vector<chunk> sorted(wanted.begin(), wanted.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const chunk& a, const chunk& b) { return a.compressed_offset < b.compressed_offset; });
  std::vector<planned_read> plan;
  for (auto& next : sorted) {
    const auto size = stored_size(next, source);
    if (!plan.empty()) {
      auto& last = plan.back();
      if (last.chunks.back().compressed_offset == next.compressed_offset)
        continue; // asked for twice
      if (last.offset + last.size == next.compressed_offset && last.size + size <= batch_size) {
        last.size += size;
        last.chunks.push_back(next);
        continue;
      }
    }
    plan.push_back({next.compressed_offset, size, {next}});
  }
  return plan;
}

} // namespace nydus
