// SPDX-License-Identifier: Apache-2.0
// One line of the trace: a request that was answered, or a read of a backend that was settled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "actors/request_times.hpp"

namespace nydus {

/// Tells requests apart; never used again while the daemon runs. 0: none.
enum class trace_id : std::uint64_t {};

enum class trace_kind : std::uint32_t {
  request, // began: received
  fetch,   // began: the run was put in its backend's queue
};

/// Written as a whole when the work is done, so that a trace costs one line however many steps it had.
struct trace_event {
  trace_kind kind = trace_kind::request;
  std::uint32_t outcome = 0; // errno, 0: success
  trace_id trace{};          // fetch: of the request that caused it; none: prefetch or read-ahead
  request_times times;     // fetch: received = queued, routed = taken by a reader, mounted = bytes were read
  std::uint64_t ended = 0; // answered; fetch: decoded, checked and stored
  std::uint64_t subject = 0; // node id; fetch: offset in the blob
  std::uint64_t size = 0;    // bytes of the answer; fetch: of the read
  std::uint32_t opcode = 0;  // fuse_opcode; fetch: chunks
  std::uint32_t mount = 0;   // mount number; 0: a pseudo-directory
  char blob[16] = {};        // fetch: how the blob's id begins

  std::uint64_t duration() const noexcept { return ended - times.received; }
  std::string_view blob_name() const noexcept { return {blob, strnlen(blob, sizeof blob)}; }
  void name_blob(std::string_view id) noexcept {
    std::memcpy(blob, id.data(), std::min(id.size(), sizeof blob));
  }
};
static_assert(std::is_trivially_copyable_v<trace_event> && sizeof(trace_event) == 104);

} // namespace nydus
