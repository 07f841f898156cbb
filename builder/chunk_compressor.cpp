// SPDX-License-Identifier: Apache-2.0
#include "builder/chunk_compressor.hpp"

#include <lz4.h>
#include <zstd.h>

namespace nydus::builder {

namespace {
constexpr int zstd_level = 3;
}

struct chunk_compressor::encoder {
  ZSTD_CCtx* zstd = nullptr;
  ~encoder() { ZSTD_freeCCtx(zstd); }
};

chunk_compressor::chunk_compressor(compressor kind) : kind_(kind), encoder_(std::make_unique<encoder>()) {
  if (kind_ == compressor::zstd)
    encoder_->zstd = ZSTD_createCCtx();
}

chunk_compressor::~chunk_compressor() = default;

std::size_t chunk_compressor::bound(compressor kind, std::size_t size) noexcept {
  switch (kind) {
  case compressor::lz4_block:
    return static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(size)));
  case compressor::zstd:
    return ZSTD_compressBound(size);
  case compressor::none:
  case compressor::gzip:
    break;
  }
  return 0;
}

std::size_t chunk_compressor::compress(std::span<const std::byte> plain, std::span<std::byte> out) noexcept {
  std::size_t size = 0;
  switch (kind_) {
  case compressor::lz4_block: {
    const auto written =
        LZ4_compress_default(reinterpret_cast<const char*>(plain.data()), reinterpret_cast<char*>(out.data()),
                             static_cast<int>(plain.size()), static_cast<int>(out.size()));
    size = written > 0 ? static_cast<std::size_t>(written) : 0;
    break;
  }
  case compressor::zstd:
    if (encoder_->zstd != nullptr)
      size =
          ZSTD_compressCCtx(encoder_->zstd, out.data(), out.size(), plain.data(), plain.size(), zstd_level);
    if (ZSTD_isError(size) != 0)
      size = 0; // it then is stored as it is, which is always right
    break;
  case compressor::none:
  case compressor::gzip:
    break;
  }
  return size < plain.size() ? size : 0;
}

} // namespace nydus::builder
