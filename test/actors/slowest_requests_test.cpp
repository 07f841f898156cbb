// SPDX-License-Identifier: Apache-2.0
#include "actors/slowest_requests.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace nydus;

TEST_SUITE_BEGIN("actors/slowest_requests");

namespace {

constexpr std::uint64_t second = 1'000'000'000;

trace_event took(std::uint64_t duration, std::uint64_t ended) {
  trace_event event;
  event.times.received = ended - duration;
  event.ended = ended;
  return event;
}

} // namespace

TEST_CASE("of a minute the slowest are kept, in whatever order they came") {
  slowest_requests kept;
  for (std::uint64_t i = 0; i < 1000; ++i)
    kept.note(took((i * 7919) % 1000 + 1, 600 * second + i));
  const auto listed = kept.list(601 * second);
  REQUIRE(listed.size() == slowest_requests::kept_per_minute);
  const auto quickest = std::min_element(
      listed.begin(), listed.end(), [](const auto& a, const auto& b) { return a.duration() < b.duration(); });
  CHECK(quickest->duration() == 1000 - slowest_requests::kept_per_minute + 1);
}

TEST_CASE("a slow request outlives the quick ones of later minutes, and is forgotten after some") {
  slowest_requests kept;
  kept.note(took(5 * second, 600 * second));
  for (std::uint64_t minute = 11; minute < 14; ++minute)
    for (int i = 0; i < 100; ++i)
      kept.note(took(1000, minute * 60 * second));
  const auto has_slow = [](const std::vector<trace_event>& listed) {
    return std::any_of(listed.begin(), listed.end(),
                       [](const auto& event) { return event.duration() == 5 * second; });
  };
  CHECK(has_slow(kept.list(14 * 60 * second)));
  CHECK(!has_slow(kept.list(16 * 60 * second)));
  kept.note(took(1000, 100 * 60 * second)); // long after
  CHECK(kept.list(100 * 60 * second).size() == 1);
}
