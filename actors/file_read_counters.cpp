// SPDX-License-Identifier: Apache-2.0
#include "actors/file_read_counters.hpp"

#include <chrono>

namespace nydus {

file_read_counters::file_read_counters(const mount_settings& settings) noexcept
    : is_wanted_(settings.iostats_files || settings.access_pattern || settings.latest_read_files),
      keeps_latest_(settings.latest_read_files) {}

void file_read_counters::count(std::uint64_t inode, std::uint64_t bytes) {
  if (!is_wanted_)
    return;
  if (keeps_latest_)
    latest_.insert(inode);
  auto& file = files_[inode];
  file.inode = inode;
  if (file.reads == 0) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now);
    file.first_access_seconds = static_cast<std::uint64_t>(seconds.count());
    file.first_access_nanoseconds = static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now - seconds).count());
  }
  ++file.operations;
  ++file.reads;
  file.data_read += bytes;
  ++file.read_sizes[size_bucket(bytes)];
}

void file_read_counters::count_failure(std::uint64_t inode) {
  if (!is_wanted_)
    return;
  auto& file = files_[inode];
  file.inode = inode;
  ++file.operations;
  ++file.read_errors;
}

file_counter_list file_read_counters::list(bool latest_only) {
  file_counter_list list;
  for (const auto& [inode, counters] : files_)
    list.files.push_back(counters);
  if (latest_only) {
    list.latest.assign(latest_.begin(), latest_.end());
    latest_.clear();
  }
  return list;
}

} // namespace nydus
