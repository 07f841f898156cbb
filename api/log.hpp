// SPDX-License-Identifier: Apache-2.0
// The program's log, by spdlog: written by a thread of its own, so that nobody waits for a disk; what comes
// faster than it can write pushes out the oldest lines (contract 7.10).
#pragma once

#include <cstdint>
#include <string>

#include "protocol/result.hpp"

namespace nydus {

struct log_options {
  std::string level = "info";
  std::string file;                     // empty: stderr
  std::uint64_t rotation_megabytes = 0; // 0: never
};

/// Once, before anything logs. unavailable if the file cannot be written.
result<void> start_log(const log_options& options);
/// False if there is no such level.
bool set_log_level(const std::string& level);
/// Writes what is queued.
void stop_log();

} // namespace nydus
