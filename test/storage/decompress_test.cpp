// SPDX-License-Identifier: Apache-2.0
#include "storage/decompress.hpp"

#include <doctest/doctest.h>
#include <lz4.h>
#include <zlib.h>
#include <zstd.h>

#include <string>
#include <vector>

using namespace nydus;

TEST_SUITE_BEGIN("storage/decompress");

namespace {

using bytes = std::vector<std::byte>;

bytes sample(std::size_t size) {
  bytes made(size);
  for (std::size_t i = 0; i < size; ++i)
    made[i] = static_cast<std::byte>((i / 7 * 31 + i % 5) & 0xff);
  return made;
}

bytes with_gzip(const bytes& plain) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  bytes stored(deflateBound(&stream, plain.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(stored.data());
  stream.avail_out = static_cast<uInt>(stored.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  stored.resize(stream.total_out);
  deflateEnd(&stream);
  return stored;
}

bytes encode(compressor kind, const bytes& plain) {
  bytes stored;
  switch (kind) {
  case compressor::none:
    return plain;
  case compressor::gzip:
    return with_gzip(plain);
  case compressor::lz4_block:
    stored.resize(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(plain.size()))));
    stored.resize(static_cast<std::size_t>(LZ4_compress_default(
        reinterpret_cast<const char*>(plain.data()), reinterpret_cast<char*>(stored.data()),
        static_cast<int>(plain.size()), static_cast<int>(stored.size()))));
    return stored;
  case compressor::zstd:
    stored.resize(ZSTD_compressBound(plain.size()));
    stored.resize(ZSTD_compress(stored.data(), stored.size(), plain.data(), plain.size(), 3));
    return stored;
  }
  return stored;
}

constexpr compressor all_kinds[] = {compressor::none, compressor::lz4_block, compressor::gzip,
                                    compressor::zstd};
constexpr compressor encoders[] = {compressor::lz4_block, compressor::gzip, compressor::zstd};

} // namespace

TEST_CASE("what was encoded decodes to the same bytes, one byte or 16 MiB") {
  for (const auto kind : all_kinds)
    for (const std::size_t size : {1u, 4095u, 4096u, 1u << 20, 16u << 20}) {
      CAPTURE(to_string(kind));
      CAPTURE(size);
      const auto plain = sample(size);
      bytes decoded(size);
      const auto outcome = decompress(kind, encode(kind, plain), decoded);
      CHECK_MESSAGE(outcome, (outcome ? "" : outcome.error().detail));
      CHECK(decoded == plain);
    }
}

TEST_CASE("fewer bytes than the chunk has are corrupt") {
  for (const auto kind : all_kinds) {
    CAPTURE(to_string(kind));
    bytes decoded(5000);
    const auto outcome = decompress(kind, encode(kind, sample(4999)), decoded);
    REQUIRE(!outcome);
    CHECK(outcome.error().code == errc::corrupt);
    CHECK(outcome.error().detail.find("5000 bytes") != std::string::npos);
  }
}

TEST_CASE("a bomb writes nothing behind the chunk") {
  const bytes zeros(64u << 20);
  for (const auto kind : encoders) {
    CAPTURE(to_string(kind));
    bytes room(4096 + 64, std::byte{0xaa});
    const auto outcome = decompress(kind, encode(kind, zeros), std::span{room}.first(4096));
    if (kind == compressor::gzip) // a stargz member may go on behind its chunk
      CHECK(outcome);
    else
      CHECK(outcome.error().code == errc::corrupt);
    for (std::size_t i = 4096; i < room.size(); ++i)
      REQUIRE(room[i] == std::byte{0xaa});
  }
}

TEST_CASE("bytes that were cut short or are of no encoder are corrupt") {
  const auto plain = sample(100'000);
  for (const auto kind : encoders) {
    CAPTURE(to_string(kind));
    const auto stored = encode(kind, plain);
    bytes decoded(plain.size());
    for (const auto size : {std::size_t{0}, std::size_t{1}, stored.size() / 2, stored.size() - 12}) {
      CAPTURE(size);
      const auto outcome = decompress(kind, std::span{stored}.first(size), decoded);
      REQUIRE(!outcome);
      CHECK(outcome.error().code == errc::corrupt);
    }
    CHECK(!decompress(kind, bytes(1000, std::byte{0xff}), decoded));
    CHECK(decompress(kind, stored, decoded)); // a failure leaves no trace in a reused decoder
    CHECK(decoded == plain);
  }
}

TEST_CASE("a gzip member whose stored size is only bounded is read to its end and no further") {
  const auto plain = sample(50'000);
  auto stored = with_gzip(plain);
  const auto next = with_gzip(sample(300));
  stored.insert(stored.end(), next.begin(), next.end());
  stored.resize(stored.size() + 128, std::byte{0x5a});
  bytes decoded(plain.size());
  CHECK(decompress(compressor::gzip, stored, decoded));
  CHECK(decoded == plain);
}

TEST_CASE("a gzip member with a wrong checksum is corrupt") {
  const auto plain = sample(50'000);
  auto stored = with_gzip(plain);
  stored[stored.size() - 8] ^= std::byte{1};
  bytes decoded(plain.size());
  CHECK(!decompress(compressor::gzip, stored, decoded));
}

TEST_CASE("a compressor that nobody knows is corrupt") {
  bytes decoded(1);
  CHECK(decompress(static_cast<compressor>(9), bytes(1), decoded).error().code == errc::corrupt);
}
