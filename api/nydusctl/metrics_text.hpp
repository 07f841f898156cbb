// SPDX-License-Identifier: Apache-2.0
// The counters of one mount as text for a reader: `nydusctl metrics`, once or as rates between two answers.
// Pure.
#pragma once

#include <string>

#include "api/config_value.hpp"
#include "api/nydusctl/command_line.hpp"

namespace nydus::ctl {

/// Where the daemon has the counters of that category.
std::string metrics_target(const show_metrics& asked);

/// What has been counted since the mount. Failures: malformed, if the answer lacks a field.
result<std::string> metrics_text(show_metrics::category what, const config_value& answer);

/// What happened in the `seconds` between two answers.
result<std::string> metrics_rate_text(show_metrics::category what, const config_value& before,
                                      const config_value& after, double seconds);

} // namespace nydus::ctl
