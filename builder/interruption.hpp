// SPDX-License-Identifier: Apache-2.0
// Lets a build end cleanly, without partial output, when a signal asks the program to end.
#pragma once

#include <string>

#include "protocol/result.hpp"

namespace nydus::builder {

/// From now on SIGINT, SIGTERM and SIGHUP only note that they came; SIGPIPE is ignored (writes then fail).
void catch_signals();

/// interrupted if one came. Cheap; any thread.
result<void> check_interruption();

/// The signal that came, 0 if none.
int received_signal() noexcept;

/// All of standard input. Unlike an istream it is left when a signal comes.
result<std::string> read_standard_input();

} // namespace nydus::builder
