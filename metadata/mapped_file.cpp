// SPDX-License-Identifier: Apache-2.0
#include "metadata/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "protocol/bytes/mapping_guard.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus {

result<std::unique_ptr<mapped_file>> mapped_file::open(const std::string& path) {
  const unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd)
    return system_failure("open " + path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0)
    return system_failure("stat " + path, errno);
  if (!S_ISREG(status.st_mode))
    return failure{errc::malformed, path + " is no regular file"};
  const auto size = static_cast<std::size_t>(status.st_size);
  std::unique_ptr<mapped_file> file{new mapped_file};
  if (size == 0)
    return file; // there is nothing to map
  auto* start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (start == MAP_FAILED)
    return system_failure("map " + path, errno);
  file->start_ = start;
  file->size_ = size;
  if (!guard_mapping(start, size))
    return failure{errc::unavailable, "map " + path + ": too many files are mapped"};
  return file;
}

mapped_file::~mapped_file() {
  if (size_ == 0)
    return;
  unguard_mapping(start_);
  ::munmap(start_, size_);
}

} // namespace nydus
