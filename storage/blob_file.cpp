// SPDX-License-Identifier: Apache-2.0
#include "storage/blob_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

namespace nydus {

namespace {

constexpr std::uint64_t page_size = 4096;
constexpr std::uint64_t most_resident = 1 << 20; // bytes asked for at once: the largest answer

} // namespace

result<std::optional<blob_file>> blob_file::open(const std::string& path, std::uint64_t size) {
  blob_file file;
  file.path_ = path;
  // O_NONBLOCK: no waiting for a writer should a FIFO lie there.
  file.fd_ = unique_fd{::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
  if (!file.fd_ && errno == ENOENT)
    return std::optional<blob_file>{};
  if (!file.fd_)
    return system_failure("open cache file " + path, errno);
  struct stat status {};
  if (::fstat(file.fd_.get(), &status) != 0)
    return system_failure("stat cache file " + path, errno);
  if (!S_ISREG(status.st_mode))
    return failure{errc::unavailable, "cache file " + path + " is no regular file"};
  if (status.st_size == 0 || (size != 0 && static_cast<std::uint64_t>(status.st_size) != size))
    return std::optional<blob_file>{};
  file.map(static_cast<std::uint64_t>(status.st_size));
  return std::optional{std::move(file)};
}

result<blob_file> blob_file::make(const std::string& path, std::uint64_t size) {
  if (size > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max()))
    return failure{errc::malformed, "cache file " + path + " cannot have " + std::to_string(size) + " bytes"};
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return system_failure("replace cache file " + path, errno);
  blob_file file;
  file.path_ = path;
  file.fd_ = unique_fd{::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644)};
  if (!file.fd_)
    return system_failure("make cache file " + path, errno);
  if (::ftruncate(file.fd_.get(), static_cast<off_t>(size)) != 0)
    return system_failure("give cache file " + path + " its " + std::to_string(size) + " bytes", errno);
  file.map(size);
  return file;
}

void blob_file::unmap::operator()(const std::byte* mapping) const noexcept {
  ::munmap(const_cast<std::byte*>(mapping), size);
}

void blob_file::map(std::uint64_t size) noexcept {
  if (size == 0)
    return;
  auto* mapping = ::mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd_.get(), 0);
  if (mapping != MAP_FAILED)
    mapping_ = {static_cast<const std::byte*>(mapping), unmap{size}};
}

std::optional<std::span<const std::byte>> blob_file::resident(std::uint64_t offset,
                                                              std::uint64_t size) const noexcept {
  const auto mapped = mapping_.get_deleter().size;
  if (!mapping_ || size == 0 || size > most_resident || offset > mapped || size > mapped - offset)
    return std::nullopt;
  const auto first = offset / page_size * page_size;
  const auto count = (offset + size - first + page_size - 1) / page_size;
  std::array<unsigned char, most_resident / page_size + 1> pages;
  if (::mincore(const_cast<std::byte*>(mapping_.get()) + first, count * page_size, pages.data()) != 0 ||
      !std::all_of(pages.begin(), pages.begin() + static_cast<std::ptrdiff_t>(count),
                   [](unsigned char page) { return (page & 1) != 0; }))
    return std::nullopt;
  return std::span{mapping_.get() + offset, size};
}

result<void> blob_file::write(std::uint64_t offset, std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const auto count = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return system_failure("write cache file " + path_, count < 0 ? errno : ENOSPC);
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
