// SPDX-License-Identifier: Apache-2.0
// nydusctl's command line: the public tool's commands (contract section 5) and those that look inside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace nydus::ctl {

struct show_daemon {};
struct set_log_level {
  std::string level;
};
struct show_metrics {
  enum class category : std::uint8_t { backend, cache, fsstats };
  category what = category::fsstats;
  std::uint32_t interval = 0; // seconds between repetitions; 0: once
  std::string mount;          // empty: the only one
};
struct mount_source {
  std::string source;
  std::string config; // path of a file
  std::string mountpoint;
  std::string type;
};
struct unmount {
  std::string mountpoint;
};
struct show_actors {};
struct show_trace {
  std::uint32_t slowest = 0; // 0: the newest
  std::string mount;         // empty: all
  std::string output;        // file for Chrome trace JSON; empty: a table
};
struct show_top {
  bool is_once = false;
};
struct serve_page {
  std::string listen; // "127.0.0.1:8080"
};
using command = std::variant<show_daemon, set_log_level, show_metrics, mount_source, unmount, show_actors,
                             show_trace, show_top, serve_page>;

struct options {
  std::string socket;
  bool is_raw = false; // answers are printed as they came
  command what;
};

/// The options, or the exit status after help, version or a usage error was printed: 0 or 2.
struct command_line {
  std::optional<options> chosen;
  int exit_status = 0;
};
command_line parse_command_line(int argc, const char* const* argv);

} // namespace nydus::ctl
