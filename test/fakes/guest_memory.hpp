// SPDX-License-Identifier: Apache-2.0
// A guest's memory as its VMM sees it: regions in memory files that a back end is given to map.
// Neighbours: driver_queue.hpp lays rings and buffers into it; fake_vmm.hpp passes its regions on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "protocol/unique_fd.hpp"

namespace nydus::fake {

/// Guest physical, as descriptors hold it.
using guest_address = std::uint64_t;

/// What a fake guest or VMM throws when the other side breaks the protocol, hangs up or does not answer in
/// time.
class peer_error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// One region. Its file holds a guard, the region, and a guard; only the region may ever be changed by a back
/// end.
class memory_region {
public:
  /// `user_address` is made up on purpose: it is neither a valid pointer here nor equal to `start`.
  memory_region(guest_address start, std::size_t size, std::uint64_t user_address);
  ~memory_region();
  memory_region(memory_region&& other) noexcept;
  memory_region& operator=(memory_region&&) = delete;

  guest_address start() const noexcept { return start_; }
  std::size_t size() const noexcept { return size_; }
  std::uint64_t user_address() const noexcept { return user_address_; }
  std::uint64_t file_offset() const noexcept { return guard_size; }
  int file() const noexcept { return file_.get(); }
  /// The region's bytes, mapped here.
  std::span<std::byte> bytes() const noexcept { return {mapping_ + guard_size, size_}; }
  /// False once anybody wrote beside the region. What truncate() cut off is not looked at.
  bool guards_intact() const noexcept;
  /// Cuts the file to `size` bytes of the region, as a hostile VMM may.
  void truncate(std::size_t size);

private:
  static constexpr std::size_t guard_size = 65536;

  guest_address start_;
  std::size_t size_;
  std::uint64_t user_address_;
  unique_fd file_;
  std::byte* mapping_ = nullptr;
  bool truncated_ = false;
};

/// All regions of one guest, and a simple allocator in the last of those made at the start.
class guest_memory {
public:
  /// Two regions, as a PC has them: 640 KiB at 0, and `size` bytes from 0xc0000 on.
  explicit guest_memory(std::size_t size);

  const std::vector<memory_region>& regions() const noexcept { return regions_; }
  memory_region& add_region(guest_address start, std::size_t size);
  /// Forgets the region that starts there; its file is closed and its mapping goes.
  void remove_region(guest_address start);

  /// Never given back. `alignment` is a power of two.
  guest_address allocate(std::size_t size, std::size_t alignment = 4096);
  /// Where `size` bytes at `address` lie in this process; throws std::out_of_range if no region holds them
  /// all.
  std::byte* at(guest_address address, std::size_t size) const;
  template <class T>
  T* as(guest_address address, std::size_t count = 1) const {
    return reinterpret_cast<T*>(at(address, count * sizeof(T)));
  }
  /// The address that a VMM names in SET_VRING_ADDR.
  std::uint64_t user_address(guest_address address) const;
  bool guards_intact() const noexcept;

private:
  const memory_region& region_of(guest_address address, std::size_t size) const;

  std::vector<memory_region> regions_;
  guest_address next_free_;
  guest_address end_;
  std::uint64_t regions_made_ = 0;
};

} // namespace nydus::fake
