// SPDX-License-Identifier: Apache-2.0
// Lets a build end cleanly, without partial output, when a signal asks the program to end.
#pragma once

#include "protocol/result.hpp"

namespace nydus::builder {

/// From now on SIGINT, SIGTERM and SIGHUP only note that they came; SIGPIPE is ignored (writes then fail).
void catch_signals();

/// interrupted if one came. Cheap; any thread.
result<void> check_interruption();

} // namespace nydus::builder
