// SPDX-License-Identifier: Apache-2.0
#include "storage/chunk_presence.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

#include "protocol/bytes/little_endian.hpp"
#include "protocol/bytes/mapping_guard.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus {

namespace {

constexpr std::uint32_t magic = 0x424d4150;
constexpr std::uint32_t second_magic = 0x434d4150;
constexpr std::uint32_t all_ready_mark = 0x4d4d4150;

struct map_header {
  le32 magic;                              // 0
  le32 version;                            // 4  1; 0: made before second_magic was
  le32 second_magic;                       // 8
  le32 all_ready;                          // 12 all_ready_mark: every chunk is present
  std::array<std::uint8_t, 4080> reserved; // 16
};
static_assert(sizeof(map_header) == 4096 && alignof(map_header) == 1);
static_assert(sizeof(std::atomic<std::uint8_t>) == 1 && std::atomic<std::uint8_t>::is_always_lock_free);

constexpr std::uint8_t mask_of(std::uint32_t index) noexcept {
  return static_cast<std::uint8_t>(0x80 >> (index % 8));
}

std::size_t file_size(std::uint32_t chunk_count) noexcept {
  return sizeof(map_header) + (std::size_t{chunk_count} + 7) / 8;
}

bool is_valid(const map_header& header) noexcept {
  return header.magic == magic && (header.version == 0 || header.second_magic == second_magic);
}

/// Blocks for all bits, so that setting one can't meet a full disk. Larger maps stay sparse: no disk is spent
/// on what an image merely claims, and a full disk is then met by the mapping guard.
result<void> reserve(int fd, const std::string& path, std::uint32_t chunk_count) {
  constexpr std::size_t largest = 1 << 20; // 8 million chunks
  const auto size = file_size(chunk_count);
  if (size <= largest && ::fallocate(fd, 0, 0, static_cast<off_t>(size)) == 0)
    return {};
  if (size <= largest && errno != EOPNOTSUPP && errno != ENOSYS)
    return system_failure("reserve chunk map " + path, errno);
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0)
    return system_failure("size chunk map " + path, errno);
  return {};
}

/// Makes an empty map under another name and moves it into place: others see all of it or nothing, and
/// whoever has mapped the one before goes on with that. The name is fixed, so that a kill leaves one such
/// file at most. not_found if another process that does the same moved ours; its map is there then.
result<unique_fd> make_map(const std::string& path, std::uint32_t chunk_count) {
  const auto unfinished = path + ".new";
  if (::unlink(unfinished.c_str()) != 0 && errno != ENOENT)
    return system_failure("remove unfinished chunk map " + unfinished, errno);
  unique_fd fd{::open(unfinished.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644)};
  if (!fd)
    return system_failure("make chunk map " + unfinished, errno);
  auto made = reserve(fd.get(), path, chunk_count);
  map_header header{};
  header.magic = magic;
  header.version = 1;
  header.second_magic = second_magic;
  if (made) {
    const auto written = ::pwrite(fd.get(), &header, sizeof header, 0);
    if (written != sizeof header)
      made = system_failure("write chunk map " + unfinished, written < 0 ? errno : ENOSPC);
  }
  if (made && ::rename(unfinished.c_str(), path.c_str()) != 0)
    made = system_failure("move chunk map to " + path, errno);
  if (made)
    return fd;
  ::unlink(unfinished.c_str());
  return std::move(made).error();
}

/// The map at `path` if it is one for that many chunks.
result<unique_fd> open_map(const std::string& path, std::uint32_t chunk_count) {
  unique_fd fd{::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW)};
  if (!fd)
    return system_failure("open chunk map " + path, errno);
  struct stat status {};
  map_header header;
  if (::fstat(fd.get(), &status) != 0 || static_cast<std::size_t>(status.st_size) != file_size(chunk_count) ||
      ::pread(fd.get(), &header, sizeof header, 0) != sizeof header || !is_valid(header))
    return failure{errc::corrupt,
                   "chunk map " + path + " is not one of " + std::to_string(chunk_count) + " chunks"};
  return fd;
}

} // namespace

result<std::unique_ptr<chunk_presence>> chunk_presence::open(const std::string& path,
                                                             std::uint32_t chunk_count) {
  auto fd = open_map(path, chunk_count);
  for (int attempt = 0; !fd && attempt < 3; ++attempt) {
    fd = make_map(path, chunk_count);
    if (fd || fd.error().code != errc::not_found)
      break;
    if (auto other = open_map(path, chunk_count))
      fd = std::move(other);
  }
  if (!fd)
    return fd.error();
  std::unique_ptr<chunk_presence> presence{new chunk_presence};
  const auto size = file_size(chunk_count);
  auto* mapping = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0);
  if (mapping == MAP_FAILED)
    return system_failure("map chunk map " + path, errno);
  if (!guard_mapping(mapping, size)) { // whoever cuts the file short would end the process
    ::munmap(mapping, size);
    return in_memory(chunk_count);
  }
  presence->mapping_ = mapping;
  presence->mapping_size_ = size;
  presence->is_guarded_ = true;
  presence->chunk_count_ = chunk_count;
  presence->bits_ =
      reinterpret_cast<std::atomic<std::uint8_t>*>(static_cast<std::byte*>(mapping) + sizeof(map_header));
  map_header header;
  std::memcpy(&header, mapping, sizeof header);
  presence->all_ready_ = is_valid(header) && header.version >= 1 && header.all_ready == all_ready_mark;
  return presence;
}

result<std::unique_ptr<chunk_presence>> chunk_presence::in_memory(std::uint32_t chunk_count) {
  std::unique_ptr<chunk_presence> presence{new chunk_presence};
  // Mapped, so that pages are spent on bits that are set and not on what an image merely claims.
  const auto size = (std::size_t{chunk_count} + 7) / 8 + 1;
  auto* mapping =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED)
    return system_failure("make presence bits of " + std::to_string(chunk_count) + " chunks", errno);
  presence->mapping_ = mapping;
  presence->mapping_size_ = size;
  presence->chunk_count_ = chunk_count;
  presence->bits_ = static_cast<std::atomic<std::uint8_t>*>(mapping);
  return presence;
}

chunk_presence::~chunk_presence() {
  if (mapping_ == nullptr)
    return;
  if (is_guarded_)
    unguard_mapping(mapping_);
  ::munmap(mapping_, mapping_size_);
}

bool chunk_presence::test(std::uint32_t index) const noexcept {
  if (index >= chunk_count_)
    return false;
  return all_ready_ || (bits_[index / 8].load(std::memory_order_acquire) & mask_of(index)) != 0;
}

void chunk_presence::set(std::uint32_t index) noexcept {
  if (index < chunk_count_)
    bits_[index / 8].fetch_or(mask_of(index), std::memory_order_release);
}

std::uint64_t chunk_presence::count() const noexcept {
  if (all_ready_)
    return chunk_count_;
  std::uint64_t total = 0;
  for (std::uint32_t first = 0; first < chunk_count_; first += 8) {
    const auto rest = chunk_count_ - first; // bits behind the last chunk count for nothing
    const auto counted = rest < 8 ? static_cast<std::uint8_t>(0xff00 >> rest) : std::uint8_t{0xff};
    const auto byte = bits_[first / 8].load(std::memory_order_relaxed);
    total += static_cast<std::uint64_t>(std::popcount(static_cast<std::uint8_t>(byte & counted)));
    if (rest <= 8)
      break; // first + 8 may not fit
  }
  return total;
}

} // namespace nydus
