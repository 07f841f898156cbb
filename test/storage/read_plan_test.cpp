// SPDX-License-Identifier: Apache-2.0
#include "storage/read_plan.hpp"

#include <doctest/doctest.h>

using namespace nydus;

TEST_SUITE_BEGIN("storage/read_plan");

namespace {

chunk stored(std::uint64_t offset, std::uint32_t size) {
  chunk one;
  one.compressed_offset = offset;
  one.compressed_size = size;
  one.uncompressed_size = 4096;
  one.is_compressed = true;
  return one;
}

const blob source = [] {
  blob made;
  made.compression = compressor::zstd;
  return made;
}();

} // namespace

TEST_CASE("neighbours share a read, in whatever order they are asked for") {
  const std::vector<chunk> wanted{stored(200, 100), stored(0, 100), stored(100, 100), stored(100, 100)};
  const auto plan = plan_reads(wanted, source, 1 << 20);
  REQUIRE(plan.size() == 1);
  CHECK(plan[0].offset == 0);
  CHECK(plan[0].size == 300);
  CHECK(plan[0].chunks.size() == 3);
}

TEST_CASE("a gap, or the size of a read, begins the next one") {
  const std::vector<chunk> wanted{stored(0, 100), stored(100, 100), stored(300, 100)};
  CHECK(plan_reads(wanted, source, 1 << 20).size() == 2);
  CHECK(plan_reads(wanted, source, 150).size() == 3);
  CHECK(plan_reads(wanted, source, 0).size() == 3);
}
