// SPDX-License-Identifier: Apache-2.0
#include "actors/mount_counters.hpp"

#include <algorithm>

namespace nydus {

namespace {

template <std::size_t Size>
std::size_t first_at_least(const std::array<std::uint64_t, Size>& bounds, std::uint64_t value) noexcept {
  return static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
}

template <std::size_t Size>
void add_each(std::array<counter, Size>& total, const std::array<counter, Size>& more) noexcept {
  for (std::size_t i = 0; i < Size; ++i)
    add(total[i], more[i]);
}

} // namespace

std::size_t size_bucket(std::uint64_t bytes) noexcept {
  static constexpr std::array<std::uint64_t, 7> below{1 << 10,   4 << 10,   16 << 10, 64 << 10,
                                                      128 << 10, 512 << 10, 1 << 20};
  return static_cast<std::size_t>(std::upper_bound(below.begin(), below.end(), bytes) - below.begin());
}

std::size_t read_latency_bucket(std::uint64_t microseconds) noexcept {
  static constexpr std::array<std::uint64_t, 7> up_to{200,     1000,      20'000,   50'000,
                                                      500'000, 1'000'000, 2'000'000};
  return first_at_least(up_to, microseconds);
}

std::size_t backend_latency_bucket(std::uint64_t milliseconds) noexcept {
  static constexpr std::array<std::uint64_t, 7> up_to{1, 20, 50, 100, 500, 1000, 2000};
  return first_at_least(up_to, milliseconds);
}

void add_all(mount_counters& total, const mount_counters& more) noexcept {
  add(total.opens, more.opens);
  add(total.data_read, more.data_read);
  add_each(total.read_sizes, more.read_sizes);
  add_each(total.hits, more.hits);
  add_each(total.errors, more.errors);
  add_each(total.latency_total, more.latency_total);
  add_each(total.read_latencies, more.read_latencies);
}

void add_all(backend_counters& total, const backend_counters& more) noexcept {
  add(total.reads, more.reads);
  add(total.errors, more.errors);
  add(total.bytes, more.bytes);
  add(total.latency_total, more.latency_total);
  add_each(total.latencies, more.latencies);
  add_each(total.sizes, more.sizes);
  for (std::size_t i = 0; i < total.latencies_by_size.size(); ++i)
    add_each(total.latencies_by_size[i], more.latencies_by_size[i]);
}

void add_all(cache_counters& total, const cache_counters& more) noexcept {
  add(total.whole_hits, more.whole_hits);
  add(total.partial_hits, more.partial_hits);
  add(total.reads, more.reads);
  add(total.prefetched_bytes, more.prefetched_bytes);
  add(total.prefetch_requests, more.prefetch_requests);
  add(total.prefetch_chunks, more.prefetch_chunks);
  add(total.prefetch_millis, more.prefetch_millis);
}

} // namespace nydus
