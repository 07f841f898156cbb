// SPDX-License-Identifier: Apache-2.0
#include "actors/mount_counters.hpp"

#include <algorithm>

namespace nydus {

namespace {

template <std::size_t Size>
std::size_t first_at_least(const std::array<std::uint64_t, Size>& bounds, std::uint64_t value) noexcept {
  return static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
}

} // namespace

std::size_t size_bucket(std::uint64_t bytes) noexcept {
  static constexpr std::array<std::uint64_t, 7> below{1 << 10,   4 << 10,   16 << 10, 64 << 10,
                                                      128 << 10, 512 << 10, 1 << 20};
  return static_cast<std::size_t>(std::upper_bound(below.begin(), below.end(), bytes) - below.begin());
}

std::size_t read_latency_bucket(std::uint64_t microseconds) noexcept {
  static constexpr std::array<std::uint64_t, 7> up_to{200,     1000,      20'000,   50'000,
                                                      500'000, 1'000'000, 2'000'000};
  return first_at_least(up_to, microseconds);
}

std::size_t backend_latency_bucket(std::uint64_t milliseconds) noexcept {
  static constexpr std::array<std::uint64_t, 7> up_to{1, 20, 50, 100, 500, 1000, 2000};
  return first_at_least(up_to, milliseconds);
}

} // namespace nydus
