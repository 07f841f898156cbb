// SPDX-License-Identifier: Apache-2.0
// The last events of one thread: written by that thread alone, read by anyone at any time, no lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "actors/trace_event.hpp"

namespace nydus {

/// A ring of fixed size. Old events are overwritten; a reader that is overtaken drops what it may have read
/// torn.
class trace_ring {
public:
  /// `capacity`: events, a power of two. Memory is touched as it fills.
  explicit trace_ring(std::size_t capacity);

  /// The owner's thread only.
  void add(const trace_event& event) noexcept;
  /// Appends, oldest first, what is there. Any thread.
  void copy(std::vector<trace_event>& events) const;
  /// Events that were ever added.
  std::uint64_t count() const noexcept { return head_.load(std::memory_order_acquire); }

private:
  static constexpr std::size_t words_per_event = sizeof(trace_event) / sizeof(std::uint64_t);
  using word = std::atomic<std::uint64_t>;

  std::size_t mask_;
  std::unique_ptr<word, void (*)(void*)> words_;
  word head_{0};  // events added
  word begun_{0}; // events added, or being written
};

/// Notes an event in the ring of this thread. Requests and fetches have rings of their own, so that the many
/// do not drive out the few. A thread beyond the most that have rings writes nothing.
void note(const trace_event& event) noexcept;

/// What the rings of all threads hold, in no order.
std::vector<trace_event> noted_events();

/// A new trace id; each reactor and thread has numbers of its own.
trace_id next_trace_id() noexcept;

} // namespace nydus
