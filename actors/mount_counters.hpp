// SPDX-License-Identifier: Apache-2.0
// Monotonic counters of mounts, caches and backends: written where the work is done, read by anyone
// (contract 7.6).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace nydus {

using counter = std::atomic<std::uint64_t>;

/// Adds with relaxed order: a counter orders nothing.
inline void add(counter& total, std::uint64_t amount = 1) noexcept {
  total.fetch_add(amount, std::memory_order_relaxed);
}

/// Index order of fop_hits in the API's JSON.
enum class file_operation : std::uint8_t {
  getattr,
  readlink,
  open,
  release,
  read,
  statfs,
  getxattr,
  listxattr,
  opendir,
  lookup,
  readdir,
  readdirplus,
  access,
  forget,
  batch_forget,
};
constexpr std::size_t file_operation_count = 15;

/// Bucket of a read size: <1K, 1K-4K, 4K-16K, 16K-64K, 64K-128K, 128K-512K, 512K-1M, >=1M.
std::size_t size_bucket(std::uint64_t bytes) noexcept;
/// Bucket of a read's latency: <=200us, 1ms, 20ms, 50ms, 500ms, 1s, 2s, more.
std::size_t read_latency_bucket(std::uint64_t microseconds) noexcept;
/// Bucket of a backend read's latency: <=1ms, 20, 50, 100, 500, 1000, 2000, more.
std::size_t backend_latency_bucket(std::uint64_t milliseconds) noexcept;

struct mount_counters {
  counter opens{0};
  counter data_read{0}; // bytes
  std::array<counter, 8> read_sizes{};
  std::array<counter, file_operation_count> hits{};
  std::array<counter, file_operation_count> errors{};
  std::array<counter, file_operation_count> latency_total{}; // microseconds
  std::array<counter, 8> read_latencies{};
  counter waiting_reads{0}; // reads that wait for chunks now
  counter waiting_bytes{0}; // that those asked for
  counter queued_reads{0};  // reads beyond the limits of what may wait
};

struct backend_counters {
  counter reads{0};
  counter errors{0};
  counter bytes{0};
  counter latency_total{0}; // milliseconds
  std::array<counter, 8> latencies{};
  std::array<counter, 8> sizes{};
  std::array<std::array<counter, 8>, 8> latencies_by_size{}; // [size][latency]
};

struct cache_counters {
  counter whole_hits{0};   // reads served from the cache alone
  counter partial_hits{0}; // reads that had to fetch
  counter reads{0};
  counter prefetched_bytes{0};
  counter prefetch_requests{0};
  counter prefetch_chunks{0}; // before merging
  counter prefetch_millis{0};
  counter prefetch_began{0}; // milliseconds since 1970; 0: never
  counter prefetch_ended{0};
  counter prefetch_workers{0};
  counter buffered_bytes{0}; // fetched and not yet written
};

/// Adds what was counted; not what is so now (what waits, what is buffered, when prefetch began).
void add_all(mount_counters& total, const mount_counters& more) noexcept;
void add_all(backend_counters& total, const backend_counters& more) noexcept;
void add_all(cache_counters& total, const cache_counters& more) noexcept;

} // namespace nydus
