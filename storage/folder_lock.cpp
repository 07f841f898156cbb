// SPDX-License-Identifier: Apache-2.0
#include "storage/folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <thread>

namespace nydus {

result<unique_fd> lock_folder(const std::string& path, std::chrono::milliseconds patience) {
  unique_fd folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder)
    return system_failure("open folder " + path, errno);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return folder; // no locks here
    if (std::chrono::steady_clock::now() >= deadline)
      return failure{errc::timed_out, "folder " + path + " has been locked by another process for " +
                                          std::to_string(patience.count()) + " ms"};
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  return folder;
}

} // namespace nydus
