// SPDX-License-Identifier: Apache-2.0
#include "storage/retry_policy.hpp"

#include <algorithm>
#include <random>
#include <thread>

namespace nydus {

namespace {
using std::chrono::milliseconds;

constexpr milliseconds first_pause{100};
constexpr milliseconds longest_pause{2000};
constexpr std::uint32_t longest_wish = 10; // seconds
} // namespace

milliseconds retry_policy::pause_after(unsigned tries, std::uint32_t wished,
                                       std::uint32_t random) const noexcept {
  const auto pause = std::min(longest_pause, first_pause * (1u << std::min(tries, 10u)));
  const milliseconds jitter{random % static_cast<std::uint32_t>(pause.count())};
  return std::max(pause / 2 + jitter / 2, milliseconds{1000 * std::min(wished, longest_wish)});
}

bool retry_policy::waits_after(unsigned tries, std::uint32_t wished) const {
  if (tries >= limit_)
    return false;
  static thread_local std::minstd_rand random{std::random_device{}()};
  std::this_thread::sleep_for(pause_after(tries, wished, static_cast<std::uint32_t>(random())));
  return true;
}

} // namespace nydus
