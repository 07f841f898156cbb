// SPDX-License-Identifier: Apache-2.0
#include "test/fakes/guest_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace nydus::fake {
namespace {

constexpr guest_address pc_high_memory = 0xc0000;
constexpr std::size_t pc_low_memory_size = 0xa0000;
constexpr std::byte guard_byte{0xa5};

bool all_guard(const std::byte* bytes, std::size_t size) {
  return std::all_of(bytes, bytes + size, [](std::byte value) { return value == guard_byte; });
}

} // namespace

memory_region::memory_region(guest_address start, std::size_t size, std::uint64_t user_address)
    : start_(start), size_(size), user_address_(user_address),
      file_(::memfd_create("guest memory", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
  const std::size_t file_size = size + 2 * guard_size;
  if (!file_ || ::ftruncate(file_.get(), static_cast<off_t>(file_size)) != 0)
    throw std::runtime_error("no memory file for the guest");
  void* place = ::mmap(nullptr, file_size, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
  if (place == MAP_FAILED)
    throw std::runtime_error("guest memory cannot be mapped");
  mapping_ = static_cast<std::byte*>(place);
  std::memset(mapping_, static_cast<int>(guard_byte), guard_size);
  std::memset(mapping_ + guard_size + size_, static_cast<int>(guard_byte), guard_size);
}

memory_region::~memory_region() {
  if (mapping_ != nullptr)
    ::munmap(mapping_, size_ + 2 * guard_size);
}

memory_region::memory_region(memory_region&& other) noexcept
    : start_(other.start_), size_(other.size_), user_address_(other.user_address_),
      file_(std::move(other.file_)), mapping_(std::exchange(other.mapping_, nullptr)),
      truncated_(other.truncated_) {}

bool memory_region::guards_intact() const noexcept {
  return all_guard(mapping_, guard_size) &&
         (truncated_ || all_guard(mapping_ + guard_size + size_, guard_size));
}

void memory_region::truncate(std::size_t size) {
  truncated_ = true;
  if (::ftruncate(file_.get(), static_cast<off_t>(guard_size + size)) != 0)
    throw std::runtime_error("guest memory cannot be cut");
}

guest_memory::guest_memory(std::size_t size) : next_free_(pc_high_memory), end_(pc_high_memory + size) {
  regions_.reserve(16);
  add_region(0, pc_low_memory_size);
  add_region(pc_high_memory, size);
}

memory_region& guest_memory::add_region(guest_address start, std::size_t size) {
  constexpr std::uint64_t first_user_address = std::uint64_t{0x6000} << 32;
  const std::uint64_t user_address = first_user_address + (regions_made_++ << 36) + start;
  return regions_.emplace_back(start, size, user_address);
}

void guest_memory::remove_region(guest_address start) {
  std::vector<memory_region> kept;
  kept.reserve(16);
  for (auto& region : regions_)
    if (region.start() != start)
      kept.push_back(std::move(region));
  regions_.swap(kept);
}

guest_address guest_memory::allocate(std::size_t size, std::size_t alignment) {
  const guest_address start = (next_free_ + alignment - 1) & ~(guest_address{alignment} - 1);
  if (start + size > end_)
    throw std::runtime_error("the guest's memory is used up");
  next_free_ = start + size;
  return start;
}

const memory_region& guest_memory::region_of(guest_address address, std::size_t size) const {
  for (const auto& region : regions_)
    if (address >= region.start() && address - region.start() <= region.size() &&
        size <= region.size() - (address - region.start()))
      return region;
  throw std::out_of_range("no guest memory at " + std::to_string(address));
}

std::byte* guest_memory::at(guest_address address, std::size_t size) const {
  const auto& region = region_of(address, size);
  return region.bytes().data() + (address - region.start());
}

std::uint64_t guest_memory::user_address(guest_address address) const {
  const auto& region = region_of(address, 1);
  return region.user_address() + (address - region.start());
}

bool guest_memory::guards_intact() const noexcept {
  return std::all_of(regions_.begin(), regions_.end(),
                     [](const memory_region& region) { return region.guards_intact(); });
}

} // namespace nydus::fake
