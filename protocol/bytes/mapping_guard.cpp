// SPDX-License-Identifier: Apache-2.0
#include "protocol/bytes/mapping_guard.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace nydus {

namespace {

// Read by a signal handler, so a table of atomics that is never moved. A slot is free while `start` is 0.
struct guarded_range {
  std::atomic<std::uintptr_t> start{0};
  std::atomic<std::size_t> size{0};
  std::atomic<std::size_t> page_size{0};
  std::atomic<std::atomic<bool>*> was_cut{nullptr};
};
constexpr std::size_t capacity = 65536;
std::array<guarded_range, capacity> guarded;
std::atomic<std::size_t> used{0}; // slots ever used, so that the handler looks at no more

void put_zeros_under(int signal, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const auto slots = used.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < slots; ++i) {
    const auto start = guarded[i].start.load(std::memory_order_acquire);
    const auto size = guarded[i].size.load(std::memory_order_acquire);
    const auto page_size = guarded[i].page_size.load(std::memory_order_acquire);
    auto* was_cut = guarded[i].was_cut.load(std::memory_order_acquire);
    if (start == 0 || address < start || address - start >= size)
      continue;
    if (guarded[i].start.load(std::memory_order_relaxed) != start)
      continue; // the slot changed hands: `size` may be another mapping's
    if (was_cut != nullptr)
      was_cut->store(true, std::memory_order_release);
    auto* page = reinterpret_cast<void*>(address & ~(page_size - 1));
    if (::mmap(page, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
        MAP_FAILED)
      return;
  }
  ::signal(signal, SIG_DFL); // the faulting instruction runs again and ends the process
  if (info->si_code <= 0)
    ::raise(signal); // sent by a process: nothing would run again
}

bool install() noexcept {
  struct sigaction action {};
  action.sa_sigaction = put_zeros_under;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
  return true;
}

} // namespace

bool guard_mapping(void* start, std::size_t size, std::size_t page_size,
                   std::atomic<bool>* was_cut) noexcept {
  static const bool is_installed = install();
  (void) is_installed;
  constexpr std::uintptr_t taken = 1; // no mapping starts there
  for (std::size_t i = 0; i < capacity; ++i) {
    std::uintptr_t expected = 0;
    if (guarded[i].start.load(std::memory_order_relaxed) != 0 ||
        !guarded[i].start.compare_exchange_strong(expected, taken))
      continue;
    guarded[i].size.store(size, std::memory_order_relaxed);
    guarded[i].page_size.store(page_size != 0 ? page_size : static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)),
                               std::memory_order_relaxed);
    guarded[i].was_cut.store(was_cut, std::memory_order_relaxed);
    guarded[i].start.store(reinterpret_cast<std::uintptr_t>(start), std::memory_order_release);
    auto slots = used.load();
    while (slots < i + 1 && !used.compare_exchange_weak(slots, i + 1)) {
    }
    return true;
  }
  return false;
}

void unguard_mapping(void* start) noexcept {
  const auto slots = used.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < slots; ++i) {
    auto expected = reinterpret_cast<std::uintptr_t>(start);
    if (guarded[i].start.load(std::memory_order_relaxed) == expected &&
        guarded[i].start.compare_exchange_strong(expected, 0))
      return;
  }
}

} // namespace nydus
