// SPDX-License-Identifier: Apache-2.0
// The slowest requests of the last minutes, kept apart from the ring so that the quick ones do not drive them
// out. Owned by one port.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "actors/trace_event.hpp"

namespace nydus {

class slowest_requests {
public:
  static constexpr std::size_t kept_minutes = 5;
  static constexpr std::size_t kept_per_minute = 32;

  /// Notes a request that was answered; nearly all are quicker than what is kept and cost one comparison.
  void note(const trace_event& answered) {
    if (answered.ended / minute != current_minute_)
      begin_minute(answered.ended / minute);
    auto& kept = minutes_[current_minute_ % kept_minutes];
    if (kept.size() < kept_per_minute || answered.duration() > kept.front().duration())
      keep(kept, answered);
  }

  /// Those that ended less than kept_minutes before `now` (nanoseconds), in no order.
  std::vector<trace_event> list(std::uint64_t now) const;

private:
  static constexpr std::uint64_t minute = 60'000'000'000; // nanoseconds
  using bucket = std::vector<trace_event>;                // a heap, its quickest in front

  void begin_minute(std::uint64_t now);
  static void keep(bucket& kept, const trace_event& answered);

  std::array<bucket, kept_minutes> minutes_;
  std::uint64_t current_minute_ = 0;
};

} // namespace nydus
