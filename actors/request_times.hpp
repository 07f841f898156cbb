// SPDX-License-Identifier: Apache-2.0
// The stopwatch that every request carries: each actor on its way notes when it was done with it.
#pragma once

#include <chrono>
#include <cstdint>

namespace nydus {

/// Nanoseconds of the steady clock.
inline std::uint64_t now_nanoseconds() noexcept {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

/// Set by the build option `tracing`; without it requests carry only what the metrics need. It exists so that
/// the cost of traces can be measured.
#ifdef NYDUS_WITHOUT_TRACING
constexpr bool is_tracing = false;
#else
constexpr bool is_tracing = true;
#endif

/// Nanoseconds of the steady clock; 0: the request did not come there.
struct request_times {
  std::uint64_t received = 0; // by its port
  std::uint64_t routed = 0;   // by the router
  std::uint64_t mounted = 0;  // its mount knew what it needs
  std::uint64_t asked =
      0; // its mount asked the caches: missing chunks, and a free place among those that wait
  std::uint64_t ready = 0; // all chunks were there
};

} // namespace nydus
