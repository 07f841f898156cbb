// SPDX-License-Identifier: Apache-2.0
#include "api/open_file_limit.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

namespace nydus {

namespace {
constexpr std::uint64_t left_to_others = 16384;
constexpr std::uint64_t highest_limit = 1'000'000;
} // namespace

result<void> raise_open_file_limit(std::uint64_t wanted) {
  if (wanted == 0)
    return {};
  std::uint64_t system_limit = highest_limit + left_to_others;
  std::ifstream{"/proc/sys/fs/file-max"} >> system_limit;
  const auto most =
      std::min(system_limit > left_to_others ? system_limit - left_to_others : 0, highest_limit);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return system_failure("read the limit of open files", errno);
  const auto target = std::min(wanted, most);
  if (limit.rlim_cur >= target)
    return {};
  const rlimit raised{target, std::max<rlim_t>(target, limit.rlim_max)};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0)
    return {};
  const int why = errno;
  const rlimit within{std::min<rlim_t>(target, limit.rlim_max), limit.rlim_max};
  (void) ::setrlimit(RLIMIT_NOFILE, &within);
  return system_failure("raise the limit of open files from " + std::to_string(limit.rlim_cur) + " to " +
                            std::to_string(target) + " (--rlimit-nofile); it is " +
                            std::to_string(within.rlim_cur) + " now",
                        why);
}

} // namespace nydus
