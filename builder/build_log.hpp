// SPDX-License-Identifier: Apache-2.0
// What nydus-image tells its user beside its answer: one line each, to stderr or the log file.
#pragma once

#include <string>

#include "protocol/result.hpp"

namespace nydus::builder {

enum class log_level : std::uint8_t { error, warn, info, debug, trace };

/// To be called once, before other threads run. `file` empty: stderr; else it is appended to.
result<void> start_log(log_level highest, const std::string& file);

/// Threads: any; a line is written in one piece.
void log_error(const std::string& text);
void log_warning(const std::string& text);
void log_info(const std::string& text);

} // namespace nydus::builder
