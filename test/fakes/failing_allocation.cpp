// SPDX-License-Identifier: Apache-2.0
#include "test/fakes/failing_allocation.hpp"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

constexpr std::size_t none = SIZE_MAX;
std::atomic<std::size_t> failing_size{none};

} // namespace

namespace nydus {

failing_allocation::failing_allocation(std::size_t size) {
  failing_size = size;
}
failing_allocation::~failing_allocation() {
  failing_size = none;
}
bool failing_allocation::has_come() const noexcept {
  return failing_size == none;
}

} // namespace nydus

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void* operator new(std::size_t size) {
  if (auto limit = failing_size.load(std::memory_order_relaxed); size >= limit && limit != none)
    if (failing_size.compare_exchange_strong(limit, none))
      throw std::bad_alloc{};
  if (void* memory = std::malloc(size > 0 ? size : 1))
    return memory;
  throw std::bad_alloc{};
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size > 0 ? size : 1); // of the same kind as the others: one delete frees them all
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
#endif
