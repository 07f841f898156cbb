// SPDX-License-Identifier: Apache-2.0
// The requests of one port that have no answer yet. A request is known to router and mounts by the number of
// its slot; the port (fuse_port, virtqueue_port) finds by it whom to answer. Each leaves a line in the trace.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "actors/fs_request.hpp"
#include "actors/mount_messages.hpp"
#include "actors/slowest_requests.hpp"

namespace nydus {

/// Threads: the port's own. Slots are used again, the last one released first.
class request_slots {
public:
  /// Enters a request that is under way since `received` (nanoseconds of the steady clock). What is to be
  /// sent to the router on behalf of `port`.
  fs_request begin(fuse::request asked, caf::actor port, std::uint64_t received);

  /// The number its asker knows the request by; none if that was interrupted: its late answer is dropped.
  std::optional<std::uint64_t> unique_of(std::uint32_t slot) const noexcept;

  /// The slot of a request that still waits, which is then no longer waited for; none if there is no such.
  /// The caller answers EINTR, and the slot stays taken until the late answer comes.
  std::optional<std::uint32_t> interrupt(std::uint64_t unique) noexcept;

  /// The answer has come and was given, or was not wanted any more: the request is traced, its slot is free.
  void end(const fs_reply& reply);

  /// Slots that are taken, interrupted requests included.
  std::size_t taken() const noexcept { return slots_.size() - free_.size(); }

  /// Those of them that are waited for.
  std::size_t waiting() const noexcept { return taken() - interrupted_; }

  /// The requests that wait, for the API.
  inflight_list inflight() const;

  /// The slowest requests that were answered in the last minutes.
  std::vector<trace_event> slowest() const { return slowest_.list(now_nanoseconds()); }

private:
  enum class state : std::uint8_t { is_free, waits, is_interrupted };
  struct entry {
    std::uint64_t unique = 0;
    std::uint64_t nodeid = 0;
    std::uint64_t received = 0; // nanoseconds of the steady clock
    trace_id trace{};
    std::uint32_t opcode = 0;
    state now = state::is_free;
  };

  std::vector<entry> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t interrupted_ = 0; // slots
  slowest_requests slowest_;
};

} // namespace nydus
