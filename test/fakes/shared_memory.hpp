// SPDX-License-Identifier: Apache-2.0
// A piece of guest memory for tests of protocol/virtio: a memory file, mapped by the product and by the test.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "protocol/virtio/guest_memory.hpp"
#include "protocol/virtio/ring_layout.hpp"

namespace nydus {

inline unique_fd memory_file(std::size_t size) {
  unique_fd file{::memfd_create("guest", MFD_CLOEXEC)};
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(size)) != 0)
    throw std::runtime_error("memfd");
  return file;
}

/// One region of `size` bytes: guest addresses from 0x10000, user addresses from 0x700000000000.
class shared_memory {
public:
  static constexpr std::uint64_t guest_start = 0x10000;
  static constexpr std::uint64_t user_start = 0x700000000000;

  explicit shared_memory(std::size_t size = 1 << 20) : file_(memory_file(size)) {
    auto region = virtio::mapped_region::map({guest_start, size, user_start, 0}, file_);
    if (!region)
      throw std::runtime_error(region.error().detail);
    begin_ = (*region)->begin();
    auto memory = virtio::guest_memory{}.with(*region);
    if (!memory)
      throw std::runtime_error(memory.error().detail);
    map_ = *memory;
  }

  const virtio::guest_memory::shared& map() const noexcept { return map_; }
  const unique_fd& file() const noexcept { return file_; }
  std::byte* at(std::uint64_t offset) const noexcept { return begin_ + offset; }
  static virtio::user_address user(std::uint64_t offset) noexcept {
    return virtio::user_address{user_start + offset};
  }

  template <class T>
  void put(std::uint64_t offset, const T& value) const noexcept {
    std::memcpy(at(offset), &value, sizeof value);
  }
  template <class T>
  T get(std::uint64_t offset) const noexcept {
    T value;
    std::memcpy(&value, at(offset), sizeof value);
    return value;
  }

private:
  unique_fd file_;
  std::byte* begin_ = nullptr;
  virtio::guest_memory::shared map_;
};

} // namespace nydus
