// SPDX-License-Identifier: Apache-2.0
// Which pages of a mapped file lie in memory, so that a reactor touches no other. The kernel is asked once
// per window and then believed for a moment: asking it for each read costs more than the read.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace nydus {

/// Threads: any.
class resident_pages {
public:
  /// Of the mapping [start, start + size), which must outlive this. `start`: of a page.
  resident_pages(const std::byte* start, std::uint64_t size);

  /// Whether all of [offset, offset + size), which lies in the mapping, is in memory, or was a second ago at
  /// most. Once the kernel is seen to take pages away, it is asked each time for ten seconds. Who touches a
  /// page that it took just then waits for the disk, no more.
  bool hold(std::uint64_t offset, std::uint64_t size) const noexcept;

private:
  /// 64 pages, a bit for each.
  struct window {
    std::atomic<std::uint64_t> pages{0};
    std::atomic<std::uint64_t> asked{0}; // milliseconds of the steady clock
  };

  /// Whether window `index` was seen to have the bits `wanted`, lately. `now`: as window::asked.
  bool is_known(std::uint64_t index, std::uint64_t wanted, std::uint64_t now) const noexcept;
  /// Asks the kernel for `count` windows from `first` on, a few at most. False if it does not answer.
  bool ask(std::uint64_t first, std::uint64_t count, std::uint64_t now) const noexcept;

  const std::byte* start_;
  std::uint64_t size_;
  // Zeroed by the kernel page by page as it is used: 16 bytes for 256 KiB of the file.
  std::unique_ptr<window, void (*)(void*)> windows_;
  mutable std::atomic<std::uint64_t> distrusted_until_{0}; // milliseconds of the steady clock
};

} // namespace nydus
