// SPDX-License-Identifier: Apache-2.0
#include "storage/resident_pages.hpp"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>

namespace nydus {

namespace {

constexpr std::uint64_t pages_per_window = 64;
// Milliseconds: how long a yes is believed, and how long none is after a page was taken away.
constexpr std::uint64_t valid_for = 1000;
constexpr std::uint64_t distrust_for = 10'000;

std::uint64_t page_size() noexcept {
  static const auto size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

/// Milliseconds of the steady clock as the kernel's last tick left it: no look at the hardware.
std::uint64_t tick() noexcept {
  struct timespec now {};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

/// Bits first to last of a word, both included.
constexpr std::uint64_t bits(std::uint64_t first, std::uint64_t last) noexcept {
  return (~std::uint64_t{0} >> (63 - last)) & (~std::uint64_t{0} << first);
}

} // namespace

resident_pages::resident_pages(const std::byte* start, std::uint64_t size)
    : start_(start), size_(size), windows_(nullptr, std::free) {
  const auto bytes = page_size() * pages_per_window;
  windows_.reset(static_cast<window*>(std::calloc((size + bytes - 1) / bytes, sizeof(window))));
  if (windows_ == nullptr)
    throw std::bad_alloc{};
}

bool resident_pages::window_holds(std::uint64_t index, std::uint64_t wanted,
                                  std::uint64_t now) const noexcept {
  auto& here = windows_.get()[index];
  const auto asked = here.asked.load(std::memory_order_acquire);
  const auto before = here.pages.load(std::memory_order_relaxed);
  if (asked != 0 && now - asked < valid_for && now >= distrusted_until_.load(std::memory_order_relaxed) &&
      (before & wanted) == wanted)
    return true;
  // That a page is missing is never believed: it may have been written since.
  const auto offset = index * pages_per_window * page_size();
  const auto length = std::min(pages_per_window * page_size(), size_ - offset);
  std::array<unsigned char, pages_per_window> is_in_memory{};
  if (::mincore(const_cast<std::byte*>(start_) + offset, length, is_in_memory.data()) != 0)
    return false;
  std::uint64_t pages = 0;
  for (std::size_t i = 0; i < is_in_memory.size(); ++i)
    pages |= std::uint64_t{is_in_memory[i] & 1u} << i;
  if ((before & ~pages) != 0)
    distrusted_until_.store(now + distrust_for, std::memory_order_relaxed);
  here.pages.store(pages, std::memory_order_relaxed);
  here.asked.store(now, std::memory_order_release);
  return (pages & wanted) == wanted;
}

bool resident_pages::hold(std::uint64_t offset, std::uint64_t size) const noexcept {
  if (size == 0)
    return true;
  const auto now = tick();
  const auto last = (offset + size - 1) / page_size();
  for (auto page = offset / page_size(); page <= last;) {
    const auto index = page / pages_per_window;
    const auto end = std::min(last, index * pages_per_window + pages_per_window - 1);
    if (!window_holds(index, bits(page % pages_per_window, end % pages_per_window), now))
      return false;
    page = end + 1;
  }
  return true;
}

} // namespace nydus
