// SPDX-License-Identifier: Apache-2.0
#include "metadata/digest.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace nydus;

TEST_SUITE_BEGIN("metadata/digest");

TEST_CASE("the digest of nothing is the published one") {
  CHECK(to_hex(digest_of(digester::blake3, {})) ==
        "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
  CHECK(to_hex(digest_of(digester::sha256, {})) ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("bytes fed in pieces give the digest of the whole") {
  std::vector<std::byte> bytes(100'000, std::byte{7});
  for (auto kind : {digester::blake3, digester::sha256}) {
    digest_stream stream{kind};
    stream.update(std::span{bytes}.first(1));
    stream.update(std::span{bytes}.subspan(1));
    CHECK(stream.finish() == digest_of(kind, bytes));
  }
}
