// SPDX-License-Identifier: Apache-2.0
#include "actors/request_slots.hpp"

#include <ctime>

namespace nydus {

namespace {

// Read for every request: the coarse clock costs no system call and no counter of the CPU.
std::uint64_t now_seconds() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec);
}

} // namespace

std::uint32_t request_slots::take(const fuse::request& asked) {
  std::uint32_t number;
  if (free_.empty()) {
    number = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    number = free_.back();
    free_.pop_back();
  }
  slots_[number] = {asked.unique, asked.nodeid, now_seconds(), asked.opcode, state::waits};
  return number;
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
      return static_cast<std::uint32_t>(i);
    }
  return std::nullopt;
}

void request_slots::release(std::uint32_t slot) {
  slots_[slot].now = state::is_free;
  free_.push_back(slot);
}

inflight_list request_slots::inflight() const {
  inflight_list list;
  for (const auto& one : slots_)
    if (one.now == state::waits)
      list.requests.push_back({one.nodeid, one.opcode, one.unique, one.since});
  return list;
}

} // namespace nydus
