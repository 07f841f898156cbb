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

namespace {

bool is_same(const chunk& a, const chunk& b) noexcept {
  return a.compressed_offset == b.compressed_offset && a.compressed_size == b.compressed_size &&
         a.uncompressed_size == b.uncompressed_size && a.is_compressed == b.is_compressed &&
         a.index == b.index && a.digest == b.digest;
}

} // namespace

std::vector<planned_read> plan_reads(std::span<const chunk> wanted, const blob& source,
                                     std::uint64_t batch_size, std::uint64_t gap_size) {
  std::vector<chunk> sorted(wanted.begin(), wanted.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const chunk& a, const chunk& b) { return a.compressed_offset < b.compressed_offset; });
  std::vector<planned_read> plan;
  for (const auto& next : sorted) {
    const auto size = stored_size(next, source);
    if (!plan.empty()) {
      auto& last = plan.back();
      if (is_same(last.chunks.back(), next))
        continue;
      // From the start of `last`. Chunks may overlap: legacy gzip images give bounds, others may lie.
      const auto begin = next.compressed_offset - last.offset;
      const auto end = begin + size;
      const bool is_near = begin <= last.size || begin - last.size <= gap_size;
      if (is_near && end >= begin && std::max(end, last.size) <= batch_size) {
        last.size = std::max(end, last.size);
        last.chunks.push_back(next);
        continue;
      }
    }
    plan.push_back({next.compressed_offset, size, {next}});
  }
  return plan;
}

} // namespace nydus
