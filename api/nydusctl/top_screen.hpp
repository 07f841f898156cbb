// SPDX-License-Identifier: Apache-2.0
// What `nydusctl top` shows, from two looks at the daemon. Pure. Neighbour: top takes the looks and draws.
#pragma once

#include <string>
#include <vector>

#include "api/nydusctl/metric_samples.hpp"
#include "api/nydusctl/running.hpp"
#include "api/nydusctl/traced_requests.hpp"

namespace nydus::ctl {

/// All that is asked at one moment.
struct daemon_look {
  double at = 0; // seconds of any clock
  running seen;
  metric_samples samples{""};
  std::vector<traced_request> slowest;
};

/// Lines that fit `height`: totals, reactors, the busiest mounts, backends, the slowest requests, actors by
/// kind. Rates are those since `before`.
std::vector<std::string> top_screen(const daemon_look& before, const daemon_look& now, std::size_t height);

} // namespace nydus::ctl
