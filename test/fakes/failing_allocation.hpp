// SPDX-License-Identifier: Apache-2.0
// Makes one large allocation of this program fail, wherever it is made: what throws std::bad_alloc in the
// midst of a handler. For a program that has failing_allocation.cpp among its own sources.
#pragma once

#include <cstddef>

namespace nydus {

/// While it lives, the first allocation of at least `size` bytes throws std::bad_alloc.
class failing_allocation {
public:
  /// False under a sanitizer, which has the allocator to itself: tests say that they skip then.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  static constexpr bool is_possible = false;
#else
  static constexpr bool is_possible = true;
#endif

  explicit failing_allocation(std::size_t size);
  failing_allocation(const failing_allocation&) = delete;
  failing_allocation& operator=(const failing_allocation&) = delete;
  ~failing_allocation();

  bool has_come() const noexcept;
};

} // namespace nydus
