// SPDX-License-Identifier: Apache-2.0
#include "storage/loose_presence.hpp"

#include <doctest/doctest.h>

#include <thread>

using namespace nydus;

TEST_SUITE_BEGIN("storage/loose_presence");

namespace {

chunk chunk_at(std::uint64_t number) {
  chunk one;
  one.compressed_offset = number * 100;
  one.uncompressed_offset = number * 4096;
  one.uncompressed_size = 4096;
  return one;
}

} // namespace

TEST_CASE("what was inserted is contained, and nothing else is") {
  loose_presence present;
  constexpr std::uint64_t count = 100'000; // many tables
  for (std::uint64_t i = 0; i < count; ++i)
    present.insert(chunk_at(2 * i));
  CHECK(present.count() == count);
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i < 2 * count; ++i)
    wrong += present.contains(chunk_at(i)) != (i % 2 == 0) ? 1 : 0;
  CHECK(wrong == 0);
}

TEST_CASE("a chunk of another digest or place is another one") {
  loose_presence present;
  present.insert(chunk_at(1));
  auto other = chunk_at(1);
  other.digest[0] = 1;
  CHECK(!present.contains(other));
  other = chunk_at(1);
  ++other.compressed_offset;
  CHECK(!present.contains(other));
  other = chunk_at(1);
  ++other.uncompressed_offset;
  CHECK(!present.contains(other));
  present.insert(chunk_at(1));
  CHECK(present.count() == 1);
}

TEST_CASE("threads that insert at once lose nothing and count each chunk once") {
  loose_presence present;
  constexpr std::uint64_t count = 20'000;
  const auto fill = [&](std::uint64_t from) {
    for (std::uint64_t i = 0; i < count; ++i)
      present.insert(chunk_at((from + i) % count));
  };
  std::thread one{fill, 0}, two{fill, count / 2};
  one.join();
  two.join();
  for (std::uint64_t i = 0; i < count; ++i)
    REQUIRE(present.contains(chunk_at(i)));
  CHECK(present.count() == count);
}
