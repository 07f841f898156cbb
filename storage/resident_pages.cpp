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
constexpr std::uint64_t windows_per_question = 8; // the largest answer touches five
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

bool resident_pages::is_known(std::uint64_t index, std::uint64_t wanted, std::uint64_t now) const noexcept {
  const auto& here = windows_.get()[index];
  const auto asked = here.asked.load(std::memory_order_acquire);
  return asked != 0 && now - asked < valid_for &&
         (here.pages.load(std::memory_order_relaxed) & wanted) == wanted;
}

bool resident_pages::ask(std::uint64_t first, std::uint64_t count, std::uint64_t now) const noexcept {
  const auto offset = first * pages_per_window * page_size();
  const auto length = std::min(count * pages_per_window * page_size(), size_ - offset);
  std::array<unsigned char, windows_per_question * pages_per_window> is_in_memory{};
  if (::mincore(const_cast<std::byte*>(start_) + offset, length, is_in_memory.data()) != 0)
    return false;
  for (std::uint64_t index = 0; index < count; ++index) {
    auto& here = windows_.get()[first + index];
    std::uint64_t pages = 0;
    for (std::uint64_t i = 0; i < pages_per_window; ++i)
      pages |= std::uint64_t{is_in_memory[index * pages_per_window + i] & 1u} << i;
    if ((here.pages.load(std::memory_order_relaxed) & ~pages) != 0)
      distrusted_until_.store(now + distrust_for, std::memory_order_relaxed);
    here.pages.store(pages, std::memory_order_relaxed);
    here.asked.store(now, std::memory_order_release);
  }
  return true;
}

bool resident_pages::hold(std::uint64_t offset, std::uint64_t size) const noexcept {
  if (size == 0)
    return true;
  const auto now = tick();
  const auto first = offset / page_size(), last = (offset + size - 1) / page_size();
  const auto first_window = first / pages_per_window, last_window = last / pages_per_window;
  const auto all_are_known = [&](std::uint64_t from, std::uint64_t to) {
    for (auto index = from; index <= to; ++index) {
      const auto begin = index == first_window ? first % pages_per_window : 0;
      const auto end = index == last_window ? last % pages_per_window : pages_per_window - 1;
      if (!is_known(index, bits(begin, end), now))
        return false;
    }
    return true;
  };
  const bool is_trusted = now >= distrusted_until_.load(std::memory_order_relaxed);
  for (auto from = first_window; from <= last_window; from += windows_per_question) {
    const auto to = std::min(last_window, from + windows_per_question - 1);
    if (is_trusted && all_are_known(from, to))
      continue;
    // That a page is missing is never believed: it may have been written since.
    if (!ask(from, to - from + 1, now) || !all_are_known(from, to))
      return false;
  }
  return true;
}

} // namespace nydus
