// SPDX-License-Identifier: Apache-2.0
// What runs in the daemon (GET /api/v1/actors), read and checked, and as text: `nydusctl actors`. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/config_value.hpp"

namespace nydus::ctl {

struct running_actor {
  std::uint64_t id = 0;
  std::string kind, name, place;
  std::uint64_t messages = 0; // handled
  double rate = 0;            // per second, as the daemon saw it
  std::uint64_t mailbox = 0, mailbox_most = 0, busy_us = 0, restarts = 0;
};
struct running_reactor {
  std::string name;
  std::uint64_t rounds = 0, resumptions = 0, wake_ups = 0, busy_us = 0, longest_round_us = 0;
};
struct running_backend {
  std::string name;
  std::uint64_t requests = 0, request_limit = 0, bytes = 0, byte_limit = 0; // under way
  std::uint64_t queued = 0, prefetch_queued = 0, readers = 0, oldest_ms = 0;
};
struct running_mount {
  std::string mountpoint;
  std::uint64_t number = 0; // in traces
  std::uint64_t waiting_reads = 0, waiting_reads_limit = 0, waiting_bytes = 0, waiting_bytes_limit = 0;
  std::uint64_t queued_reads = 0, chunks_present = 0, chunks = 0;
};
struct running {
  std::vector<running_actor> actors;
  std::vector<running_reactor> reactors;
  std::vector<running_backend> backends;
  std::vector<running_mount> mounts;
};

/// Failures: malformed, if a field is missing or wrong.
result<running> read_running(const config_value& answer);

/// Four tables, each with its headings.
std::string running_text(const running& seen);

/// "3 of 8", "42 %" of a cache.
std::string fill_text(std::uint64_t present, std::uint64_t all);

} // namespace nydus::ctl
