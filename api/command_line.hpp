// SPDX-License-Identifier: Apache-2.0
// nydusd's command line, present and old spellings (contract section 1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nydus {

struct daemon_options {
  std::string mountpoint; // serve the host over /dev/fuse there, or
  std::string sock;       // serve a virtual machine over the vhost-user socket there
  std::string bootstrap;
  std::string config;
  std::string localfs_dir;
  std::string apisock;
  std::string virtual_mountpoint = "/";
  std::vector<std::string> prefetch_files; // as given: a file with a list, or paths
  unsigned fuse_threads = 4;
  std::uint64_t rlimit_nofile = 1'000'000; // 0: leave it alone
  std::string log_level = "info";
  std::string log_file;
  std::uint64_t log_rotation_megabytes = 0; // 0: never
  std::string id;
  std::string supervisor;
};

/// The options, or the exit status after help, version or a usage error was printed.
struct command_line {
  std::optional<daemon_options> options;
  int exit_status = 0;
};
command_line parse_command_line(int argc, const char* const* argv);

} // namespace nydus
