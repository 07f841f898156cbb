// SPDX-License-Identifier: Apache-2.0
#include "metadata/crc32c.hpp"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

TEST_SUITE_BEGIN("metadata/crc32c");

namespace {
std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text});
}
} // namespace

TEST_CASE("the published check value comes out") {
  CHECK(nydus::crc32c(bytes_of("123456789")) == 0xe3069283);
  CHECK(nydus::crc32c_by_table(bytes_of("123456789")) == 0xe3069283);
  CHECK(nydus::crc32c({}) == 0);
}

TEST_CASE("instruction and table agree on every length and alignment, and pieces add up") {
  std::vector<std::byte> bytes(300);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>((i * 131 + 7) & 0xff);
  const std::span<const std::byte> all{bytes};
  for (std::size_t start = 0; start < 9; ++start)
    for (std::size_t size = 0; size + start <= 290; ++size) {
      const auto part = all.subspan(start, size);
      const auto whole = nydus::crc32c_by_table(part);
      REQUIRE(nydus::crc32c(part) == whole);
      REQUIRE(nydus::crc32c(part.subspan(size / 3), nydus::crc32c(part.first(size / 3))) == whole);
    }
}

TEST_SUITE_END();
