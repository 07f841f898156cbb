// SPDX-License-Identifier: Apache-2.0
#include "storage/blob_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace nydus {

result<blob_file> blob_file::open(const std::string& path, std::uint64_t size, bool& was_made) {
  was_made = false;
  for (int attempt = 0; attempt < 2; ++attempt) {
    blob_file file;
    file.path_ = path;
    file.fd_ = unique_fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644)};
    if (!file.fd_)
      return system_failure("open cache file " + path, errno);
    struct stat status {};
    if (::fstat(file.fd_.get(), &status) != 0 || !S_ISREG(status.st_mode))
      return failure{errc::unavailable, "cache file " + path + " is no regular file"};
    const auto found = static_cast<std::uint64_t>(status.st_size);
    if (found == 0)
      was_made = true;
    if (size == 0 || found == size)
      return file;
    if (found < size) { // new, or its maker was killed before it had its size
      if (::ftruncate(file.fd_.get(), static_cast<off_t>(size)) != 0)
        return system_failure("size cache file " + path, errno);
      return file;
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
      return system_failure("replace cache file " + path, errno);
  }
  return failure{errc::unavailable,
                 "cache file " + path + " keeps changing its size; does another program use it?"};
}

result<void> blob_file::write(std::uint64_t offset, std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const auto count = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return system_failure("write cache file " + path_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

result<void> blob_file::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const auto count = ::pread(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return system_failure("read cache file " + path_, errno);
    if (count == 0)
      return failure{errc::unavailable, "cache file " + path_ + " is cut short"};
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

} // namespace nydus
