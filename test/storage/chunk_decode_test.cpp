// SPDX-License-Identifier: Apache-2.0
#include "storage/chunk_decode.hpp"

#include <doctest/doctest.h>
#include <lz4.h>

#include <string>
#include <vector>

#include "metadata/crc32c.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("storage/chunk_decode");

namespace {

using bytes = std::vector<std::byte>;

const bytes plain(10'000, std::byte{42});

bytes stored_lz4() {
  bytes stored(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(plain.size()))));
  stored.resize(static_cast<std::size_t>(LZ4_compress_default(
      reinterpret_cast<const char*>(plain.data()), reinterpret_cast<char*>(stored.data()),
      static_cast<int>(plain.size()), static_cast<int>(stored.size()))));
  return stored;
}

blob source_of(digester digests) {
  blob source;
  source.id = "the-blob";
  source.compression = compressor::lz4_block;
  source.digests = digests;
  return source;
}

chunk chunk_of(digester digests) {
  chunk one;
  one.index = 7;
  one.uncompressed_size = static_cast<std::uint32_t>(plain.size());
  one.digest = digest_of(digests, plain);
  one.is_compressed = true;
  return one;
}

} // namespace

TEST_CASE("a compressed and a raw chunk decode to their bytes under either digest") {
  for (const auto digests : {digester::blake3, digester::sha256}) {
    auto wanted = chunk_of(digests);
    bytes decoded(plain.size());
    CHECK(decode_chunk(wanted, source_of(digests), stored_lz4(), decoded, true));
    CHECK(decoded == plain);
    wanted.is_compressed = false;
    decoded.assign(plain.size(), std::byte{0});
    CHECK(decode_chunk(wanted, source_of(digests), plain, decoded, true));
    CHECK(decoded == plain);
  }
}

TEST_CASE("a wrong digest is corrupt, naming chunk, blob and both digests, whatever the CRC says") {
  auto wanted = chunk_of(digester::blake3);
  const auto right = to_hex(wanted.digest);
  wanted.digest[31] ^= 1;
  wanted.has_crc32c = true;
  wanted.crc32c = crc32c(plain);
  bytes decoded(plain.size());
  const auto refused = decode_chunk(wanted, source_of(digester::blake3), stored_lz4(), decoded, true);
  REQUIRE(!refused);
  CHECK(refused.error().code == errc::corrupt);
  for (const auto& words : {std::string{"chunk 7"}, std::string{"the-blob"}, right, to_hex(wanted.digest)})
    CHECK(refused.error().detail.find(words) != std::string::npos);
}

TEST_CASE("the CRC is checked where the digest is not") {
  auto wanted = chunk_of(digester::blake3);
  wanted.digest = {};
  bytes decoded(plain.size());
  CHECK(decode_chunk(wanted, source_of(digester::blake3), stored_lz4(), decoded, false)); // it has none
  wanted.has_crc32c = true;
  wanted.crc32c = crc32c(plain);
  CHECK(decode_chunk(wanted, source_of(digester::blake3), stored_lz4(), decoded, false));
  ++wanted.crc32c;
  const auto refused = decode_chunk(wanted, source_of(digester::blake3), stored_lz4(), decoded, false);
  REQUIRE(!refused);
  CHECK(refused.error().code == errc::corrupt);
}

TEST_CASE("legacy gzip images have no digests to check") {
  auto source = source_of(digester::sha256);
  source.has_data_digests = false;
  auto wanted = chunk_of(digester::blake3);
  wanted.digest = {};
  bytes decoded(plain.size());
  CHECK(decode_chunk(wanted, source, stored_lz4(), decoded, true));
}

TEST_CASE("room of another size than the chunk is refused") {
  bytes decoded(plain.size() - 1);
  const auto refused =
      decode_chunk(chunk_of(digester::blake3), source_of(digester::blake3), stored_lz4(), decoded, true);
  REQUIRE(!refused);
  CHECK(refused.error().code == errc::malformed);
}

TEST_CASE("a chunk that does not decode says which one it is") {
  auto broken = stored_lz4();
  broken.resize(broken.size() / 2);
  bytes decoded(plain.size());
  const auto refused =
      decode_chunk(chunk_of(digester::blake3), source_of(digester::blake3), broken, decoded, true);
  REQUIRE(!refused);
  CHECK(refused.error().code == errc::corrupt);
  CHECK(refused.error().detail.find("the-blob") != std::string::npos);
}
