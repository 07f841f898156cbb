// SPDX-License-Identifier: Apache-2.0
#include "storage/blob_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "protocol/bytes/mapping_guard.hpp"

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
  file.disk_ = status.st_dev;
  file.mapping_ = mapping::of(file.fd_, static_cast<std::uint64_t>(status.st_size));
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
  struct stat status {};
  if (::fstat(file.fd_.get(), &status) != 0)
    return system_failure("stat cache file " + path, errno);
  file.disk_ = status.st_dev;
  file.mapping_ = mapping::of(file.fd_, size);
  return file;
}

std::unique_ptr<blob_file::mapping> blob_file::mapping::of(const unique_fd& file, std::uint64_t size) {
  if (size == 0)
    return nullptr;
  auto* start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
  if (start == MAP_FAILED)
    return nullptr;
  auto made = std::make_unique<mapping>(static_cast<const std::byte*>(start), size);
  return guard_mapping(start, size, 0, &made->was_cut) ? std::move(made) : nullptr;
}

blob_file::mapping::~mapping() {
  unguard_mapping(const_cast<std::byte*>(start));
  ::munmap(const_cast<std::byte*>(start), size);
}

std::optional<std::span<const std::byte>> blob_file::resident(std::uint64_t offset,
                                                              std::uint64_t size) const noexcept {
  if (!mapping_ || size == 0 || size > most_resident || offset > mapping_->size ||
      size > mapping_->size - offset || was_cut() || !mapping_->pages.hold(offset, size))
    return std::nullopt;
  return std::span{mapping_->start + offset, size};
}

bool blob_file::was_cut() const noexcept {
  return mapping_ && mapping_->was_cut.load(std::memory_order_acquire);
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
