// SPDX-License-Identifier: Apache-2.0
// What we agree on with a kernel or guest in FUSE_INIT: pure, no descriptor (contract 7.5, transport.md 2.2).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "protocol/fuse/abi.hpp"
#include "protocol/result.hpp"

namespace nydus::fuse {

/// What the other side offered and what was taken of it.
struct session_terms {
  std::uint32_t minor = 0;
  std::uint64_t flags = 0;         // FUSE_* bits in force on both sides
  std::uint32_t max_readahead = 0; // bytes
  /// The kernel stops sending OPEN, OPENDIR and their ends once they are refused.
  bool opens_are_silent() const noexcept { return (flags & FUSE_NO_OPEN_SUPPORT) != 0; }
};

/// The reply's bytes (header included) and, unless another INIT has to follow (`is_settled` false), the
/// terms.
struct init_outcome {
  std::vector<std::byte> reply;
  bool is_settled = false;
  session_terms terms;
};

/// Answers one FUSE_INIT request. malformed if it is none or too short; a major version below 7 is answered
/// EPROTO.
result<init_outcome> answer_init(std::span<const std::byte> request);

} // namespace nydus::fuse
