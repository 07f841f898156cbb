// SPDX-License-Identifier: Apache-2.0
// The command line of nydus-image; option names are the public builder's.
#pragma once

#include <string>
#include <variant>

#include "builder/build_log.hpp"
#include "builder/build_settings.hpp"

namespace nydus::builder {

struct check_request {
  std::string bootstrap;
  std::string blob_directory; // empty: blobs are not looked at
  std::string output_json;    // empty: none
  bool is_verbose = false;
};

/// Nothing is left to do but to end with that code: help was shown, or a mistake explained.
struct exit_request {
  int code = 0;
};

struct command_line {
  log_level level = log_level::info;
  std::string log_file; // empty: stderr
  std::variant<exit_request, build_settings, check_request> request;
};

constexpr int exit_failure = 1;  // something could not be done
constexpr int exit_usage = 2;    // something was asked wrongly
constexpr int exit_signal = 128; // plus the number of the signal that ended the work

/// Prints help and mistakes itself.
command_line parse_command_line(int argc, const char* const* argv);

} // namespace nydus::builder
