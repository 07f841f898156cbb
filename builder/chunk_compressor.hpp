// SPDX-License-Identifier: Apache-2.0
// Compresses chunks as RAFS stores them (spec section 12).
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "metadata/compression.hpp"

namespace nydus::builder {

/// Threads: one each; it keeps the encoder's memory from chunk to chunk.
class chunk_compressor {
public:
  explicit chunk_compressor(compressor kind);
  ~chunk_compressor();

  /// Bytes that compress() may write for `size` bytes, the failed tries included.
  static std::size_t bound(compressor kind, std::size_t size) noexcept;
  /// Writes to `out`, which has bound() bytes, and gives the size; 0: the chunk is to be stored as it is.
  std::size_t compress(std::span<const std::byte> plain, std::span<std::byte> out) noexcept;

private:
  struct encoder;
  compressor kind_;
  std::unique_ptr<encoder> encoder_;
};

} // namespace nydus::builder
