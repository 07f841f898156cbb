// SPDX-License-Identifier: Apache-2.0
#include "actors/trace_ring.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

namespace nydus {

namespace {

constexpr std::size_t requests_per_thread = 8192; // 0.8 MiB
constexpr std::size_t fetches_per_thread = 2048;
constexpr std::size_t most_threads = 128;

/// The rings of one thread, handed on when it ends.
struct thread_rings {
  trace_ring requests{requests_per_thread};
  trace_ring fetches{fetches_per_thread};
  std::atomic<bool> is_taken{true};
  std::uint64_t number = 0;     // of these rings, from 1
  std::uint64_t last_trace = 0; // of the thread that has them
};

std::array<std::atomic<thread_rings*>, most_threads> all_rings;

/// Takes rings that no thread has, or makes new ones. Null: too many threads, or no memory.
thread_rings* take_rings() noexcept {
  for (auto& place : all_rings) {
    auto* rings = place.load(std::memory_order_acquire);
    if (rings == nullptr) {
      auto* made = new (std::nothrow) thread_rings;
      if (made == nullptr)
        return nullptr;
      made->number = static_cast<std::uint64_t>(&place - all_rings.data()) + 1;
      if (place.compare_exchange_strong(rings, made, std::memory_order_acq_rel))
        return made;
      delete made; // another thread was first: `rings` is its
    }
    bool is_free = false;
    if (rings->is_taken.compare_exchange_strong(is_free, true, std::memory_order_acq_rel))
      return rings;
  }
  return nullptr;
}

struct ring_lease {
  thread_rings* rings = take_rings();
  ~ring_lease() {
    if (rings != nullptr)
      rings->is_taken.store(false, std::memory_order_release);
  }
};

thread_rings* own_rings() noexcept {
  thread_local ring_lease lease;
  return lease.rings;
}

} // namespace

trace_ring::trace_ring(std::size_t capacity)
    : mask_(capacity - 1),
      words_(static_cast<word*>(std::calloc(capacity * words_per_event, sizeof(word))), std::free) {
  static_assert(sizeof(word) == sizeof(std::uint64_t) && word::is_always_lock_free);
  if (words_ == nullptr)
    throw std::bad_alloc{};
}

void trace_ring::add(const trace_event& event) noexcept {
  std::array<std::uint64_t, words_per_event> values;
  std::memcpy(values.data(), &event, sizeof event);
  const auto number = head_.load(std::memory_order_relaxed);
  begun_.store(number + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release); // readers of a new word also see that it was begun
  auto* to = words_.get() + (number & mask_) * words_per_event;
  for (std::size_t i = 0; i < words_per_event; ++i)
    to[i].store(values[i], std::memory_order_relaxed);
  head_.store(number + 1, std::memory_order_release);
}

void trace_ring::copy(std::vector<trace_event>& events) const {
  const auto end = head_.load(std::memory_order_acquire);
  const auto capacity = mask_ + 1;
  const auto begin = end > capacity ? end - capacity : 0;
  const auto first = events.size();
  for (auto number = begin; number < end; ++number) {
    std::array<std::uint64_t, words_per_event> values;
    const auto* from = words_.get() + (number & mask_) * words_per_event;
    for (std::size_t i = 0; i < words_per_event; ++i)
      values[i] = from[i].load(std::memory_order_relaxed);
    std::memcpy(static_cast<void*>(&events.emplace_back()), values.data(), sizeof(trace_event));
  }
  std::atomic_thread_fence(std::memory_order_acquire);
  const auto begun = begun_.load(std::memory_order_relaxed);
  // Places that were written again while we read.
  const auto overtaken = begun > capacity ? begun - capacity : 0;
  if (overtaken > begin) {
    const auto torn = std::min<std::uint64_t>(overtaken - begin, end - begin);
    events.erase(events.begin() + static_cast<std::ptrdiff_t>(first),
                 events.begin() + static_cast<std::ptrdiff_t>(first + torn));
  }
}

void note(const trace_event& event) noexcept {
  if constexpr (!is_tracing)
    return;
  if (auto* rings = own_rings())
    (event.kind == trace_kind::request ? rings->requests : rings->fetches).add(event);
}

std::vector<trace_event> noted_events() {
  std::vector<trace_event> events;
  for (const auto& place : all_rings)
    if (const auto* rings = place.load(std::memory_order_acquire)) {
      rings->requests.copy(events);
      rings->fetches.copy(events);
    }
  return events;
}

trace_id next_trace_id() noexcept {
  if constexpr (!is_tracing)
    return trace_id{};
  // Ring numbers are below 2^8; 2^55 requests per thread outlast the daemon.
  auto* rings = own_rings();
  return rings == nullptr ? trace_id{} : trace_id{++rings->last_trace << 8 | rings->number};
}

} // namespace nydus
