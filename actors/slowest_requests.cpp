// SPDX-License-Identifier: Apache-2.0
#include "actors/slowest_requests.hpp"

#include <algorithm>

namespace nydus {

namespace {

bool is_slower(const trace_event& a, const trace_event& b) noexcept {
  return a.duration() > b.duration();
}

} // namespace

void slowest_requests::begin_minute(std::uint64_t now) {
  // Minutes without a request have left old ones in their places.
  const auto passed = std::min<std::uint64_t>(now - current_minute_, kept_minutes);
  for (std::uint64_t i = 0; i < passed; ++i)
    minutes_[(now - i) % kept_minutes].clear();
  current_minute_ = now;
}

void slowest_requests::keep(bucket& kept, const trace_event& answered) {
  if (kept.size() == kept_per_minute) {
    std::pop_heap(kept.begin(), kept.end(), is_slower);
    kept.pop_back();
  }
  kept.push_back(answered);
  std::push_heap(kept.begin(), kept.end(), is_slower);
}

std::vector<trace_event> slowest_requests::list(std::uint64_t now) const {
  std::vector<trace_event> all;
  for (const auto& kept : minutes_)
    for (const auto& one : kept)
      if (one.ended + kept_minutes * minute > now)
        all.push_back(one);
  return all;
}

} // namespace nydus
