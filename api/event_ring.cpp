// SPDX-License-Identifier: Apache-2.0
#include "api/event_ring.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <ctime>

namespace nydus {

namespace {

constexpr std::size_t longest_event = 1024; // bytes

/// The date as HTTP writes it: "Tue, 24 Nov 2026 02:03:04 GMT".
std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

} // namespace

void event_ring::record(std::string_view text) {
  auto event = http_date() + " - " + std::string{text.substr(0, longest_event)};
  const auto number = count_.fetch_add(1, std::memory_order_relaxed);
  slots_[number % most_events].store(std::make_shared<const std::string>(std::move(event)));
}

std::string event_ring::to_json() const {
  const auto total = count_.load(std::memory_order_relaxed);
  std::vector<std::string> newest_first;
  std::size_t size = 0;
  for (std::uint64_t back = 1; back <= std::min<std::uint64_t>(total, most_events); ++back) {
    const auto event = slots_[(total - back) % most_events].load();
    if (!event) // counted, and not stored yet
      continue;
    if (size + event->size() > most_bytes)
      break;
    size += event->size();
    newest_first.push_back(*event);
  }
  std::reverse(newest_first.begin(), newest_first.end());
  const nlohmann::ordered_json all = {{"max_errors", most_events},
                                      {"total_errors", total},
                                      {"max_size", most_bytes},
                                      {"total_size", size},
                                      {"errors", newest_first}};
  return all.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

event_ring& daemon_events() {
  static event_ring ring;
  return ring;
}

} // namespace nydus
