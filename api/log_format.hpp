// SPDX-License-Identifier: Apache-2.0
// The form of a log line: "[2026-11-24 01:02:03.456789 +00:00] INFO message"; other levels add "[file:line]"
// after the level (contract 7.10). Neighbour: log.cpp.
#pragma once

#include <spdlog/formatter.h>

#include <memory>

namespace nydus {

/// Bytes of a line at most: a reader of our stderr stops for good at 64 KiB.
constexpr std::size_t longest_log_line = 32 << 10;

/// One event is one line: control characters within it are escaped, the end of a longer one is cut off.
/// `in_colour`: the level is, for a terminal.
class log_format final : public spdlog::formatter {
public:
  explicit log_format(bool in_colour) : in_colour_(in_colour) {}
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override;
  std::unique_ptr<spdlog::formatter> clone() const override;

private:
  bool in_colour_;
};

} // namespace nydus
