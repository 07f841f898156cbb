// SPDX-License-Identifier: Apache-2.0
#include "api/trace_filter.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <unordered_set>

#include "actors/route_table.hpp"
#include "protocol/fuse/request.hpp"

namespace nydus {

namespace {

// Above the highest opcode of any kernel so far; those of CUSE are far beyond.
constexpr std::uint32_t opcode_limit = 256;
constexpr std::size_t most_requests = 100'000;

bool is_request(const trace_event& event) noexcept {
  return event.kind == trace_kind::request;
}

failure wrong(const char* parameter, const std::string& value, const char* right) {
  return {errc::malformed,
          std::string{parameter} + " '" + value.substr(0, 80) + "' is not right; " + right + " would be"};
}

/// Digits alone, up to `most`.
std::optional<std::uint64_t> number_of(std::string_view text, std::uint64_t most) noexcept {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number > most)
    return std::nullopt;
  return number;
}

std::optional<std::uint32_t> opcode_of(const std::string& text) {
  if (const auto number = number_of(text, opcode_limit))
    return static_cast<std::uint32_t>(*number);
  for (std::uint32_t opcode = 1; opcode < opcode_limit; ++opcode)
    if (text == fuse::opcode_name(opcode))
      return opcode;
  return std::nullopt;
}

std::optional<std::uint32_t> mount_called(const std::string& mountpoint, const mount_list& mounts) {
  const auto path = normalize_mountpoint(mountpoint);
  for (const auto& mount : mounts.mounts)
    if (path && mount->mountpoint == *path)
      return mount->number;
  return std::nullopt;
}

} // namespace

result<trace_filter> read_trace_filter(const std::map<std::string, std::string>& query,
                                       const mount_list& mounts) {
  trace_filter filter;
  for (const auto& [name, value] : query) {
    if (name == "mount") {
      filter.mount = mount_called(value, mounts);
      if (!filter.mount)
        return wrong("mount", value, "a mountpoint that is mounted");
    } else if (name == "opcode") {
      filter.opcode = opcode_of(value);
      if (!filter.opcode)
        return wrong("opcode", value, "a FUSE operation such as READ, or its number,");
    } else if (name == "slowest" || name == "limit") {
      const auto number = number_of(value, most_requests);
      if (!number || *number == 0)
        return wrong(name.c_str(), value, "a number from 1 to 100000");
      (name == "limit" ? filter.limit : filter.slowest) = *number;
    } else if (name == "since") {
      const auto number = number_of(value, ~std::uint64_t{0} / 1000);
      if (!number)
        return wrong("since", value, "a number of microseconds, as the ts of an event,");
      filter.since = *number * 1000;
    }
  }
  return filter;
}

std::vector<trace_event> pick(const trace_filter& filter, std::vector<trace_event> events) {
  const bool picks_requests = filter.mount || filter.opcode || filter.slowest != 0;
  const auto is_unwanted = [&](const trace_event& one) {
    if (one.ended <= filter.since)
      return true;
    if (!is_request(one))
      return false;
    return (filter.mount && one.mount != *filter.mount) || (filter.opcode && one.opcode != *filter.opcode);
  };
  std::erase_if(events, is_unwanted);
  const auto fetches = std::stable_partition(events.begin(), events.end(), is_request);
  std::vector<trace_event> causes(fetches, events.end());
  events.erase(fetches, events.end());

  // The ring and the slowest may both have a request.
  std::sort(events.begin(), events.end(), [](const auto& a, const auto& b) { return a.trace < b.trace; });
  events.erase(std::unique(events.begin(), events.end(),
                           [](const auto& a, const auto& b) { return a.trace == b.trace; }),
               events.end());
  if (filter.slowest != 0) {
    std::sort(events.begin(), events.end(),
              [](const auto& a, const auto& b) { return a.duration() > b.duration(); });
    events.resize(std::min(events.size(), filter.slowest));
  }
  const auto by_beginning = [](const auto& a, const auto& b) { return a.times.received < b.times.received; };
  std::sort(events.begin(), events.end(), by_beginning);
  if (events.size() > filter.limit)
    events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(filter.limit));

  std::unordered_set<std::uint64_t> shown;
  for (const auto& one : events)
    shown.insert(static_cast<std::uint64_t>(one.trace));
  for (const auto& one : causes)
    if (!picks_requests || shown.count(static_cast<std::uint64_t>(one.trace)) != 0)
      events.push_back(one);
  std::sort(events.begin(), events.end(), by_beginning);
  return events;
}

} // namespace nydus
