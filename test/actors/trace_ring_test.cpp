// SPDX-License-Identifier: Apache-2.0
#include "actors/trace_ring.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <set>
#include <thread>

using namespace nydus;

TEST_SUITE_BEGIN("actors/trace_ring");

namespace {

/// An event whose words all say the same number, so that a torn one is seen.
trace_event numbered(std::uint64_t number) {
  trace_event event;
  event.trace = trace_id{number};
  event.times = {number, number, number, number, number};
  event.ended = event.subject = event.size = number;
  return event;
}

bool is_whole(const trace_event& event) {
  const auto number = static_cast<std::uint64_t>(event.trace);
  const auto& t = event.times;
  return t.received == number && t.routed == number && t.mounted == number && t.asked == number &&
         t.ready == number && event.ended == number && event.subject == number && event.size == number;
}

} // namespace

TEST_CASE("a ring gives the last events in their order") {
  trace_ring ring{8};
  std::vector<trace_event> events;
  ring.copy(events);
  CHECK(events.empty());
  for (std::uint64_t i = 0; i < 20; ++i)
    ring.add(numbered(i));
  ring.copy(events);
  REQUIRE(events.size() == 8);
  for (std::uint64_t i = 0; i < 8; ++i)
    CHECK(events[i].trace == trace_id{12 + i});
  CHECK(ring.count() == 20);
}

TEST_CASE("an event that is overwritten while it is read is dropped, never torn") {
  trace_ring ring{16};
  std::atomic<bool> is_over{false};
  std::thread writer{[&] {
    for (std::uint64_t i = 1; !is_over.load(std::memory_order_relaxed); ++i)
      ring.add(numbered(i));
  }};
  while (ring.count() == 0)
    std::this_thread::yield();
  bool all_whole = true;
  std::size_t seen = 0;
  for (int round = 0; round < 5000; ++round) {
    std::vector<trace_event> events;
    ring.copy(events);
    seen += events.size();
    for (const auto& event : events)
      all_whole = all_whole && is_whole(event);
  }
  is_over = true;
  writer.join();
  CHECK(all_whole);
  CHECK(seen > 0);
}

TEST_CASE("threads have rings and trace numbers of their own, and give the rings on when they end") {
  std::set<trace_id> numbers;
  for (int i = 0; i < 300; ++i) // more than there are rings
    std::thread{[&] {
      numbers.insert(next_trace_id());
      auto event = numbered(1'000'000);
      event.kind = trace_kind::fetch;
      note(event);
    }}.join();
  CHECK(numbers.size() == 300);
  CHECK(numbers.count(trace_id{}) == 0);
  std::size_t found = 0;
  for (const auto& event : noted_events())
    found += event.trace == trace_id{1'000'000} ? 1 : 0;
  CHECK(found == 300);
}
