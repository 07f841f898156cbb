// SPDX-License-Identifier: Apache-2.0
// Where the layers below api/ say something to the operator. main() gives it the program's log; until then,
// and in tests, lines go nowhere.
#pragma once

#include <cstdint>
#include <string_view>

namespace nydus {

enum class log_level : std::uint8_t { debug, info, warning, error };

/// Where a line was written. std::source_location would say it, but clang 14 does not have it.
struct source_line {
  const char* file = "";
  int line = 0;

  static constexpr source_line here(const char* file = __builtin_FILE(),
                                    int line = __builtin_LINE()) noexcept {
    return {file, line};
  }
};

/// Takes one line and returns without waiting for a disk. Called from any thread.
using log_writer = void (*)(log_level level, std::string_view line, source_line where);

void log_line(log_level level, std::string_view line, source_line where = source_line::here()) noexcept;
/// Once, before anything runs.
void set_log_writer(log_writer writer) noexcept;

} // namespace nydus
