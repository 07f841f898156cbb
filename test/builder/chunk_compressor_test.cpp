// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <lz4.h>
#include <zstd.h>

#include <random>
#include <string>
#include <vector>

#include "builder/chunk_compressor.hpp"

using namespace nydus;
using namespace nydus::builder;

namespace {

std::string text_of(std::size_t size) {
  std::string text;
  while (text.size() < size)
    text += "the same line again and " + std::to_string(text.size() % 1000);
  text.resize(size);
  return text;
}

std::string noise_of(std::size_t size) {
  std::mt19937 random{7};
  std::string noise(size, '\0');
  for (auto& byte : noise)
    byte = static_cast<char>(random());
  return noise;
}

/// Empty: stored as it is.
std::string compressed(compressor kind, const std::string& plain) {
  chunk_compressor encoder{kind};
  std::string out(chunk_compressor::bound(kind, plain.size()), '\0');
  out.resize(encoder.compress(std::as_bytes(std::span{plain}), std::as_writable_bytes(std::span{out})));
  return out;
}

std::string restored(compressor kind, const std::string& stored, std::size_t size) {
  std::string plain(size, '\0');
  if (kind == compressor::zstd)
    REQUIRE(ZSTD_decompress(plain.data(), size, stored.data(), stored.size()) == size);
  else
    REQUIRE(LZ4_decompress_safe(stored.data(), plain.data(), static_cast<int>(stored.size()),
                                static_cast<int>(size)) == static_cast<int>(size));
  return plain;
}

} // namespace

TEST_SUITE_BEGIN("builder/chunk_compressor");

TEST_CASE("what compresses is stored smaller and comes back") {
  for (const auto kind : {compressor::lz4_block, compressor::zstd})
    for (const std::size_t size : {100u, 4096u, 1u << 20}) {
      const auto plain = text_of(size);
      const auto stored = compressed(kind, plain);
      REQUIRE(!stored.empty());
      CHECK(stored.size() < plain.size());
      CHECK(restored(kind, stored, size) == plain);
    }
}

TEST_CASE("what does not become smaller is stored as it is") {
  for (const auto kind : {compressor::lz4_block, compressor::zstd}) {
    CHECK(compressed(kind, "x").empty());
    CHECK(compressed(kind, noise_of(100000)).empty());
  }
  CHECK(compressed(compressor::none, text_of(4096)).empty());
}

TEST_CASE("an encoder gives the same bytes whatever it did before") {
  for (const auto kind : {compressor::lz4_block, compressor::zstd}) {
    const auto wanted = compressed(kind, text_of(5000));
    chunk_compressor encoder{kind};
    std::string out(chunk_compressor::bound(kind, 100000), '\0');
    for (const auto& plain : {noise_of(100000), text_of(70000), text_of(5000)}) {
      const auto size =
          encoder.compress(std::as_bytes(std::span{plain}), std::as_writable_bytes(std::span{out}));
      if (plain.size() == 5000)
        CHECK(out.substr(0, size) == wanted);
    }
  }
}
