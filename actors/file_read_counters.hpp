// SPDX-License-Identifier: Apache-2.0
// What is counted of each file of a mount that is read, if its settings ask for it (iostats_files,
// access_pattern, latest_read_files).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>

#include "actors/mount_messages.hpp"
#include "storage/mount_settings.hpp"

namespace nydus {

/// Threads: the mount's actor alone.
class file_read_counters {
public:
  explicit file_read_counters(const mount_settings& settings) noexcept;

  /// A read of `bytes` was answered.
  void count(std::uint64_t inode, std::uint64_t bytes);
  void count_failure(std::uint64_t inode);

  /// `latest_only`: also takes out the set of files that were read since this was last asked.
  file_counter_list list(bool latest_only);

private:
  bool is_wanted_;
  bool keeps_latest_;
  std::map<std::uint64_t, file_counters> files_; // by inode
  std::set<std::uint64_t> latest_;
};

} // namespace nydus
