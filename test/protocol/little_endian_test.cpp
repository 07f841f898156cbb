// SPDX-License-Identifier: Apache-2.0
#include "protocol/bytes/little_endian.hpp"

#include <doctest/doctest.h>

using namespace nydus;

TEST_SUITE_BEGIN("protocol/little_endian");

TEST_CASE("an integer is stored with its lowest byte first and read back") {
  le32 value = 0x01020304;
  unsigned char bytes[4];
  std::memcpy(bytes, &value, 4);
  CHECK(bytes[0] == 4);
  CHECK(bytes[3] == 1);
  CHECK(value == 0x01020304u);
  constexpr le64 folded = 0xfedcba9876543210u;
  static_assert(folded == 0xfedcba9876543210u);
  CHECK(folded == 0xfedcba9876543210u);
}
