// SPDX-License-Identifier: Apache-2.0
#include "actors/request_slots.hpp"

#include <cerrno>
#include <chrono>

#include "actors/trace_ring.hpp"

namespace nydus {

fs_request request_slots::begin(fuse::request asked, caf::actor port, std::uint64_t received) {
  std::uint32_t slot;
  if (free_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  fs_request request{std::move(asked), std::move(port), slot, next_trace_id(), {}};
  request.times.received = received;
  slots_[slot] = {request.asked.unique, request.asked.nodeid, request.times.received,
                  request.trace,        request.asked.opcode, state::waits};
  return request;
}

std::optional<std::uint64_t> request_slots::unique_of(std::uint32_t slot) const noexcept {
  if (slots_[slot].now != state::waits)
    return std::nullopt;
  return slots_[slot].unique;
}

std::optional<std::uint32_t> request_slots::interrupt(std::uint64_t unique) noexcept {
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (slots_[i].now == state::waits && slots_[i].unique == unique) {
      slots_[i].now = state::is_interrupted;
      ++interrupted_;
      return static_cast<std::uint32_t>(i);
    }
  return std::nullopt;
}

void request_slots::end(const fs_reply& reply) {
  auto& ended = slots_[reply.slot];
  if constexpr (is_tracing) {
    trace_event event;
    event.outcome = static_cast<std::uint32_t>(ended.now == state::is_interrupted ? EINTR : reply.error);
    event.trace = ended.trace;
    event.times = reply.times;
    event.times.received = ended.received;
    event.ended = now_nanoseconds();
    event.subject = ended.nodeid;
    event.size = size_of(reply);
    event.opcode = ended.opcode;
    event.mount = mount_of(ended.nodeid);
    note(event);
    slowest_.note(event);
  }
  if (ended.now == state::is_interrupted)
    --interrupted_;
  ended.now = state::is_free;
  free_.push_back(reply.slot);
}

inflight_list request_slots::inflight() const {
  inflight_list list;
  const auto now = now_nanoseconds();
  const auto wall_now = std::chrono::system_clock::now().time_since_epoch();
  for (const auto& one : slots_)
    if (one.now == state::waits) {
      const auto since = wall_now - std::chrono::nanoseconds{now - one.received};
      list.requests.push_back(
          {one.nodeid, one.opcode, one.unique,
           static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(since).count()),
           one.trace, one.received});
    }
  return list;
}

} // namespace nydus
