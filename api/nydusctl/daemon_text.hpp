// SPDX-License-Identifier: Apache-2.0
// GET /api/v1/daemon as text for a reader: `nydusctl info`. Pure.
#pragma once

#include <string>

#include "api/config_value.hpp"

namespace nydus::ctl {

/// Failures: malformed, if the answer lacks a field.
result<std::string> daemon_text(const config_value& answer);

} // namespace nydus::ctl
