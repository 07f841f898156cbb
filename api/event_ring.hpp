// SPDX-License-Identifier: Apache-2.0
// The last errors of the daemon, for GET /api/v1/daemon/events. Written by whoever logs an error, read by
// api_front; no lock: each slot is replaced as a whole.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace nydus {

class event_ring {
public:
  static constexpr std::size_t most_events = 500;
  static constexpr std::size_t most_bytes = 51200; // of all texts that are shown

  /// From any thread. The time is now.
  void record(std::string_view text);
  /// The body of the answer: the newest events that fit into most_bytes, oldest first.
  std::string to_json() const;

private:
  std::atomic<std::uint64_t> count_{0}; // ever recorded
  std::array<std::atomic<std::shared_ptr<const std::string>>, most_events> slots_;
};

/// The process's own; api/log.cpp fills it.
event_ring& daemon_events();

} // namespace nydus
