// SPDX-License-Identifier: Apache-2.0
// How often and when a read of a backend behind a network is tried again.
#pragma once

#include <chrono>
#include <cstdint>

namespace nydus {

/// Threads: any.
class retry_policy {
public:
  /// `limit`: further tries after the first; 0: three.
  explicit retry_policy(std::uint32_t limit) noexcept : limit_(limit == 0 ? 3 : limit) {}

  /// How long to wait before the next try after `tries` further ones, where the server asked for `wished`
  /// seconds: longer each time, never for long, and not the same for all readers. `random`: any number.
  std::chrono::milliseconds pause_after(unsigned tries, std::uint32_t wished,
                                        std::uint32_t random) const noexcept;
  /// Waits that long on the calling thread; false if there is no next try.
  bool waits_after(unsigned tries, std::uint32_t wished) const;

private:
  std::uint32_t limit_;
};

} // namespace nydus
