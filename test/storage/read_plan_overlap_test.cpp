// SPDX-License-Identifier: Apache-2.0
// Gaps, overlaps and lies among the chunks of a plan.
#include <doctest/doctest.h>

#include <algorithm>

#include "storage/read_plan.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("storage/read_plan_overlap");

namespace {

chunk stored(std::uint64_t offset, std::uint32_t size) {
  chunk one;
  one.compressed_offset = offset;
  one.compressed_size = size;
  one.uncompressed_size = 4096;
  one.is_compressed = true;
  return one;
}

blob source_of(compressor kind) {
  blob made;
  made.compression = kind;
  return made;
}

const blob zstd = source_of(compressor::zstd);

/// Each chunk asked for lies within one read, and no read of several is larger than the batch.
void check_plan(const std::vector<chunk>& wanted, const std::vector<planned_read>& plan,
                std::uint64_t batch) {
  for (const auto& one : wanted)
    CHECK(std::any_of(plan.begin(), plan.end(), [&](const planned_read& read) {
      return std::any_of(read.chunks.begin(), read.chunks.end(), [&](const chunk& held) {
        return held.compressed_offset == one.compressed_offset && held.compressed_size == one.compressed_size;
      });
    }));
  for (const auto& read : plan) {
    CHECK((read.chunks.size() == 1 || read.size <= batch));
    for (const auto& held : read.chunks) {
      CHECK(held.compressed_offset >= read.offset);
      CHECK(held.compressed_offset - read.offset + held.compressed_size <= read.size);
    }
  }
}

} // namespace

TEST_CASE("nothing wanted is nothing read") {
  CHECK(plan_reads({}, zstd, 1 << 20).empty());
}

TEST_CASE("a gap is read along if it is allowed, small enough and within the batch") {
  const std::vector<chunk> wanted{stored(0, 100), stored(110, 100)};
  CHECK(plan_reads(wanted, zstd, 1000).size() == 2);
  CHECK(plan_reads(wanted, zstd, 1000, 9).size() == 2);
  const auto merged = plan_reads(wanted, zstd, 1000, 10);
  REQUIRE(merged.size() == 1);
  CHECK(merged[0].size == 210);
  CHECK(plan_reads(wanted, zstd, 210, 10).size() == 1);
  CHECK(plan_reads(wanted, zstd, 209, 10).size() == 2);
}

TEST_CASE("a chunk larger than the batch is read whole and alone") {
  const std::vector<chunk> wanted{stored(0, 100), stored(100, 5000), stored(5100, 100)};
  const auto plan = plan_reads(wanted, zstd, 1000);
  REQUIRE(plan.size() == 3);
  CHECK(plan[1].size == 5000);
  check_plan(wanted, plan, 1000);
}

TEST_CASE("chunks that overlap, or differ at one offset, are all in the plan") {
  const std::vector<chunk> wanted{stored(0, 100), stored(50, 200), stored(60, 10), stored(60, 500)};
  const auto plan = plan_reads(wanted, zstd, 1 << 20);
  REQUIRE(plan.size() == 1);
  CHECK(plan[0].size == 560);
  CHECK(plan[0].chunks.size() == 4);
  check_plan(wanted, plan, 1 << 20);
}

TEST_CASE("offsets at the end of all numbers do not wrap into a small read") {
  const std::vector<chunk> wanted{stored(0, 100), stored(~0ull - 50, 40), stored(~0ull - 10, 100)};
  const auto plan = plan_reads(wanted, zstd, 1 << 20);
  REQUIRE(plan.size() == 2);
  CHECK(plan[1].offset == ~0ull - 50);
  CHECK(plan[1].size == 140); // which the backend refuses
  const auto greedy = plan_reads(wanted, zstd, ~0ull, ~0ull);
  REQUIRE(greedy.size() == 2);
  CHECK(greedy[0].size == ~0ull - 10);
}

TEST_CASE("legacy gzip chunks are read by their bounds, to the blob's end at most") {
  auto source = source_of(compressor::gzip);
  source.compressed_size = 6000;
  auto first = stored(0, 0), second = stored(3000, 0);
  CHECK(stored_size(first, source) == 4096 + 10 + 8 + 5 + 128);
  CHECK(stored_size(second, source) == 3000);
  const auto plan = plan_reads(std::vector{second, first}, source, 1 << 20);
  REQUIRE(plan.size() == 1);
  CHECK(plan[0].offset == 0);
  CHECK(plan[0].size == 6000);
  CHECK(plan[0].chunks.size() == 2);
}

TEST_CASE("any set of chunks is planned whole") {
  std::uint32_t state = 1;
  const auto next = [&](std::uint32_t below) {
    return (state = state * 1664525 + 1013904223) / 65536 % below;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<chunk> wanted;
    for (auto i = next(40); i > 0; --i)
      wanted.push_back(stored(next(3000), 1 + next(300)));
    const std::uint64_t batch = next(1000);
    check_plan(wanted, plan_reads(wanted, zstd, batch, next(100)), batch);
  }
}
