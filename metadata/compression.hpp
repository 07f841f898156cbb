// SPDX-License-Identifier: Apache-2.0
// How stored chunks are encoded (RAFS v5 spec section 12; ids as in v6 blob metadata).
#pragma once

#include <cstdint>

namespace nydus {

enum class compressor : std::uint8_t { none = 0, lz4_block = 1, gzip = 2, zstd = 3 };

constexpr const char* to_string(compressor kind) noexcept {
  switch (kind) {
  case compressor::none:
    return "none";
  case compressor::lz4_block:
    return "lz4_block";
  case compressor::gzip:
    return "gzip";
  case compressor::zstd:
    return "zstd";
  }
  return "unknown";
}

} // namespace nydus
