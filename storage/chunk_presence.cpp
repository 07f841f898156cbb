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

#include "metadata/mapping_guard.hpp"
#include "protocol/bytes/little_endian.hpp"
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

/// Makes an empty map under a name of its own and moves it into place: others see all of it or nothing.
result<unique_fd> make_map(const std::string& path, std::uint32_t chunk_count) {
  auto temporary = path + ".XXXXXX";
  unique_fd fd{::mkostemp(temporary.data(), O_CLOEXEC)};
  if (!fd)
    return system_failure("make chunk map " + temporary, errno);
  map_header header{};
  header.magic = magic;
  header.version = 1;
  header.second_magic = second_magic;
  const bool is_written = ::fchmod(fd.get(), 0644) == 0 &&
                          ::ftruncate(fd.get(), static_cast<off_t>(file_size(chunk_count))) == 0 &&
                          ::pwrite(fd.get(), &header, sizeof header, 0) == sizeof header &&
                          ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!is_written) {
    const int why = errno;
    ::unlink(temporary.c_str());
    return system_failure("make chunk map " + path, why);
  }
  return fd;
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
  if (!fd)
    fd = make_map(path, chunk_count);
  if (!fd)
    return fd.error();
  std::unique_ptr<chunk_presence> presence{new chunk_presence};
  presence->chunk_count_ = chunk_count;
  presence->mapping_size_ = file_size(chunk_count);
  auto* mapping = ::mmap(nullptr, presence->mapping_size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0);
  if (mapping == MAP_FAILED)
    return system_failure("map chunk map " + path, errno);
  presence->mapping_ = mapping;
  guard_mapping(mapping, presence->mapping_size_);
  presence->bits_ =
      reinterpret_cast<std::atomic<std::uint8_t>*>(static_cast<std::byte*>(mapping) + sizeof(map_header));
  map_header header;
  std::memcpy(&header, mapping, sizeof header);
  presence->all_ready_ = header.version >= 1 && header.all_ready == all_ready_mark;
  return presence;
}

std::unique_ptr<chunk_presence> chunk_presence::in_memory(std::uint32_t chunk_count) {
  std::unique_ptr<chunk_presence> presence{new chunk_presence};
  presence->chunk_count_ = chunk_count;
  presence->own_ = std::make_unique<std::atomic<std::uint8_t>[]>((std::size_t{chunk_count} + 7) / 8);
  presence->bits_ = presence->own_.get();
  return presence;
}

chunk_presence::~chunk_presence() {
  if (mapping_ != nullptr) {
    unguard_mapping(mapping_);
    ::munmap(mapping_, mapping_size_);
  }
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
  for (std::uint32_t byte = 0; byte < (std::uint64_t{chunk_count_} + 7) / 8; ++byte)
    total += static_cast<std::uint64_t>(std::popcount(bits_[byte].load(std::memory_order_relaxed)));
  return total;
}

} // namespace nydus
