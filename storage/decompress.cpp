// SPDX-License-Identifier: Apache-2.0
#include "storage/decompress.hpp"

#include <lz4.h>
#include <zlib.h>
#include <zstd.h>

#include <climits>
#include <cstring>
#include <memory>
#include <string>

namespace nydus {

namespace {

failure wrong(const char* kind, const std::string& cause, std::size_t wanted) {
  return {errc::corrupt,
          std::string{kind} + " chunk does not decode to " + std::to_string(wanted) + " bytes: " + cause};
}

result<void> from_lz4(std::span<const std::byte> stored, std::span<std::byte> plain) {
  if (stored.size() > INT_MAX || plain.size() > INT_MAX)
    return wrong("lz4_block", "too large", plain.size());
  const int size =
      LZ4_decompress_safe(reinterpret_cast<const char*>(stored.data()), reinterpret_cast<char*>(plain.data()),
                          static_cast<int>(stored.size()), static_cast<int>(plain.size()));
  if (size < 0)
    return wrong("lz4_block", "broken block", plain.size());
  if (static_cast<std::size_t>(size) != plain.size())
    return wrong("lz4_block", "it has " + std::to_string(size), plain.size());
  return {};
}

result<void> from_zstd(std::span<const std::byte> stored, std::span<std::byte> plain) {
  struct context_free {
    void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
  };
  // Made once per thread: building one costs more than decoding a small chunk.
  thread_local const std::unique_ptr<ZSTD_DCtx, context_free> context{ZSTD_createDCtx()};
  const auto size =
      ZSTD_decompressDCtx(context.get(), plain.data(), plain.size(), stored.data(), stored.size());
  if (ZSTD_isError(size) != 0)
    return wrong("zstd", ZSTD_getErrorName(size), plain.size());
  if (size != plain.size())
    return wrong("zstd", "it has " + std::to_string(size), plain.size());
  return {};
}

result<void> from_gzip(std::span<const std::byte> stored, std::span<std::byte> plain) {
  if (stored.size() > UINT_MAX || plain.size() > UINT_MAX)
    return wrong("gzip", "too large", plain.size());
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) // gzip framing only
    return failure{errc::unavailable, "zlib gives no decoder"};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(stored.data()));
  stream.avail_in = static_cast<uInt>(stored.size());
  stream.next_out = reinterpret_cast<Bytef*>(plain.data());
  stream.avail_out = static_cast<uInt>(plain.size());
  const int outcome = inflate(&stream, Z_FINISH);
  const auto size = stream.total_out;
  inflateEnd(&stream);
  // Z_BUF_ERROR with a full output: the member may go on behind this chunk (stargz).
  if (size != plain.size() || (outcome != Z_STREAM_END && outcome != Z_OK && outcome != Z_BUF_ERROR))
    return wrong("gzip", "it has " + std::to_string(size), plain.size());
  return {};
}

} // namespace

result<void> decompress(compressor kind, std::span<const std::byte> stored, std::span<std::byte> plain) {
  switch (kind) {
  case compressor::none:
    if (stored.size() != plain.size())
      return wrong("raw", "it has " + std::to_string(stored.size()), plain.size());
    std::memcpy(plain.data(), stored.data(), plain.size());
    return {};
  case compressor::lz4_block:
    return from_lz4(stored, plain);
  case compressor::gzip:
    return from_gzip(stored, plain);
  case compressor::zstd:
    return from_zstd(stored, plain);
  }
  return failure{errc::corrupt, "unknown compressor"};
}

} // namespace nydus
