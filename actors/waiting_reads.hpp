// SPDX-License-Identifier: Apache-2.0
// The reads of one mount that wait: some for chunks, as many as its limits allow, the others for one of those
// to end. Neighbours: rafs_mount, which asks for chunks and answers.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/chunk_messages.hpp"
#include "actors/fs_request.hpp"
#include "actors/mount_counters.hpp"
#include "metadata/chunk.hpp"
#include "storage/mount_settings.hpp"

namespace nydus {

/// A read and the chunks that it had to wait for.
struct waiting_read {
  fs_request request;
  std::vector<chunk_slice> slices;

  /// What came of a chunk; null if the read did not wait for it.
  const settled_chunk* settled_of(const chunk& source) const;

private:
  friend class waiting_reads;
  std::map<std::pair<std::uint32_t, std::uint64_t>, settled_chunk> settled; // by blob and compressed offset
  std::size_t unsettled = 0;                                                // blobs that were asked
};

/// Threads: the mount's actor alone; `shown` may be read by any.
class waiting_reads {
public:
  /// How many wait and how many bytes those asked for is kept in `shown`.
  waiting_reads(wait_limits limits, std::shared_ptr<mount_counters> shown)
      : limits_(limits), shown_(std::move(shown)) {}

  /// Whether one more read of `bytes` may wait for chunks. One always may.
  bool has_room(std::uint64_t bytes) const noexcept;

  /// A read that has to wait until others have ended. Bare it waits at little cost.
  void queue(fs_request request);
  /// The first of those if there is room for it now.
  std::optional<fs_request> next_with_room();

  /// A read that waits for chunks of some blobs from now on: ask() for each.
  void begin(fs_request request, std::vector<chunk_slice> slices);
  /// The read that began last has to wait for chunks of `blob_index`, too: the ticket to ask for them with.
  std::uint64_t ask(std::uint32_t blob_index);
  /// Notes an answer. The read, if that was the last one it waited for; it waits no more.
  std::optional<waiting_read> settle(const chunks_ready& ready);

  /// All reads, which wait no more.
  std::vector<fs_request> take_all();

private:
  struct asked_part {
    std::uint64_t read = 0; // key of waiting_
    std::uint32_t blob_index = 0;
  };

  void show() noexcept;

  wait_limits limits_;
  std::shared_ptr<mount_counters> shown_;
  std::unordered_map<std::uint64_t, waiting_read> waiting_; // by number
  std::unordered_map<std::uint64_t, asked_part> parts_;     // by ticket
  std::deque<fs_request> queued_;
  std::uint64_t bytes_ = 0; // of waiting_
  std::uint64_t last_read_ = 0;
  std::uint64_t last_ticket_ = 0;
};

} // namespace nydus
