// SPDX-License-Identifier: Apache-2.0
#include "metadata/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "protocol/bytes/mapping_guard.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus {

namespace {

// Larger ones stay mapped: that much memory is not spent against a file system that might hang.
constexpr std::size_t largest_copy = 256 << 20;

constexpr auto window_size = mapped_file::expected_at_once;
// A sparse file may be as large as it likes: behind 4 GiB nothing is expected.
constexpr std::size_t most_windows = 32 << 10;

/// Whether a touch of the mapped file may wait for another process or host: a FUSE file system or a
/// network's.
bool may_hang(int fd) noexcept {
  // Magic numbers as linux/magic.h and the file systems' own headers have them.
  static constexpr std::array<std::uint32_t, 7> kinds{0x65735546,  // FUSE, virtio-fs
                                                      0x6969,      // NFS
                                                      0xff534d42,  // CIFS
                                                      0xfe534d42,  // SMB2
                                                      0x00c36400,  // Ceph
                                                      0x01021997,  // 9P
                                                      0x0bd00bd0}; // Lustre
  struct statfs found {};
  return ::fstatfs(fd, &found) == 0 &&
         std::find(kinds.begin(), kinds.end(), static_cast<std::uint32_t>(found.f_type)) != kinds.end();
}

/// All of the file; false with errno if it cannot be read. What it lacks since its size was asked is zeros.
bool fill(int fd, std::byte* start, std::size_t size) noexcept {
  for (std::size_t filled = 0; filled < size;) {
    const auto count = ::pread(fd, start + filled, size - filled, static_cast<off_t>(filled));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return count == 0;
    filled += static_cast<std::size_t>(count);
  }
  return true;
}

} // namespace

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
  const bool is_copied = size <= largest_copy && may_hang(fd.get());
  auto* start = is_copied ? ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                          : ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (start == MAP_FAILED)
    return system_failure("map " + path, errno);
  file->start_ = start;
  file->size_ = size;
  if (is_copied) {
    if (!fill(fd.get(), static_cast<std::byte*>(start), size))
      return system_failure("read " + path, errno);
    (void) ::mprotect(start, size, PROT_READ);
    return file;
  }
  if (!guard_mapping(start, size))
    return failure{errc::unavailable, "map " + path + ": too many files are mapped"};
  // A disk's read-ahead may be megabytes, which the first look-ups would wait for one after the other.
  (void) ::madvise(start, size, MADV_RANDOM);
  file->expected_ =
      std::vector<std::atomic<bool>>(std::min((size + window_size - 1) / window_size, most_windows));
  if (size <= 2 * window_size)
    file->expect(0);
  return file;
}

void mapped_file::expect(std::size_t offset) const noexcept {
  // The window in which they begin and the next one.
  const auto first = offset / window_size;
  for (auto window = first; window < expected_.size() && window < first + 2; ++window) {
    if (expected_[window].load(std::memory_order_relaxed) ||
        expected_[window].exchange(true, std::memory_order_relaxed))
      continue;
    const auto begin = window * window_size;
    (void) ::madvise(static_cast<std::byte*>(start_) + begin, std::min(window_size, size_ - begin),
                     MADV_WILLNEED);
  }
}

mapped_file::~mapped_file() {
  if (size_ == 0)
    return;
  unguard_mapping(start_);
  ::munmap(start_, size_);
}

} // namespace nydus
