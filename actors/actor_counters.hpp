// SPDX-License-Identifier: Apache-2.0
// What one actor has done. Written by its senders and by the thread it runs on, read by anyone.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace nydus {

class reactor;

struct actor_counters {
  actor_counters(std::uint64_t number, std::string what, std::string whose)
      : id(number), kind(std::move(what)), name(std::move(whose)) {}

  const std::uint64_t id; // CAF's number of the actor
  const std::string kind; // "rafs_mount"
  const std::string name; // whose: a mountpoint, a blob, a reactor

  std::atomic<std::uint64_t> received{0};          // messages put into its mailbox
  std::atomic<std::uint64_t> handled{0};           // messages taken out
  std::atomic<std::uint64_t> deepest{0};           // most messages that its mailbox ever held
  std::atomic<std::uint64_t> busy{0};              // nanoseconds, from samples
  std::atomic<std::uint64_t> restarts{0};          // after a handler that threw
  std::atomic<const reactor*> last_place{nullptr}; // null: a worker or a thread of its own
  std::atomic<bool> has_own_thread{false};
  std::atomic<bool> has_ended{false};

  /// Messages that wait now. May be off by those that are just being put in or taken out.
  std::uint64_t depth() const noexcept {
    const auto out = handled.load(std::memory_order_relaxed);
    const auto in = received.load(std::memory_order_relaxed);
    return in > out ? in - out : 0;
  }
};

} // namespace nydus
