// SPDX-License-Identifier: Apache-2.0
// Where the layers below api/ say something to the operator. main() gives it the program's log; until then,
// and in tests, lines go nowhere.
#pragma once

#include <cstdint>
#include <source_location>
#include <string_view>

namespace nydus {

enum class log_level : std::uint8_t { debug, info, warning, error };

/// Takes one line and returns without waiting for a disk. Called from any thread.
using log_writer = void (*)(log_level level, std::string_view line, const std::source_location& where);

void log_line(log_level level, std::string_view line,
              const std::source_location& where = std::source_location::current()) noexcept;
/// Once, before anything runs.
void set_log_writer(log_writer writer) noexcept;

} // namespace nydus
