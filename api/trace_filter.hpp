// SPDX-License-Identifier: Apache-2.0
// Which events of the trace a client asks for. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/mount_messages.hpp"
#include "actors/trace_event.hpp"
#include "protocol/result.hpp"

namespace nydus {

struct trace_filter {
  std::optional<std::uint32_t> mount;  // mount number
  std::optional<std::uint32_t> opcode; // fuse_opcode
  std::uint64_t since = 0;             // nanoseconds of the steady clock: events that ended later
  std::size_t limit = 10'000;          // requests, the latest
  std::size_t slowest = 0;             // 0: all; else so many of the slowest
};

/// From the query: mount (a mountpoint), opcode (its name or number), slowest, limit, since (microseconds, as
/// the trace's own ts). malformed names the parameter, what it is and what would be right.
result<trace_filter> read_trace_filter(const std::map<std::string, std::string>& query,
                                       const mount_list& mounts);

/// The events to show, in the order of their beginning: requests that pass the filter, and the fetches that
/// they caused. Without a filter on requests all fetches are shown.
std::vector<trace_event> pick(const trace_filter& filter, std::vector<trace_event> events);

} // namespace nydus
