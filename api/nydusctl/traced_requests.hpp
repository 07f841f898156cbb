// SPDX-License-Identifier: Apache-2.0
// The daemon's Chrome trace (GET /api/v1/trace) read back into requests and their steps, and as text:
// `nydusctl trace`. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/config_value.hpp"

namespace nydus::ctl {

struct traced_step {
  std::string name; // received, routed, mount, cache, reply; of a fetch: queued, read, decode
  double began = 0; // microseconds of the daemon's clock
  double took = 0;  // microseconds
};

/// One request, or one fetch that a request or nobody caused.
struct traced_request {
  std::string id; // the same for a request and its fetches
  std::string name;
  std::string mount; // mountpoint, or its number if it is gone
  std::string place; // "inode 12", "7334a2594e13 at 4096"
  double began = 0;
  std::optional<double> took; // none: still under way
  std::uint64_t size = 0;
  std::uint64_t outcome = 0; // errno
  std::vector<traced_step> steps;

  bool is_fetch() const noexcept { return name == "fetch"; }
};

/// In the order of the answer, each fetch directly behind its request. Failures: malformed.
result<std::vector<traced_request>> read_trace(const config_value& answer);

/// A table, one line per request and fetch.
std::string trace_table(const std::vector<traced_request>& requests);

} // namespace nydus::ctl
