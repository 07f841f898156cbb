// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v6/chunk_table.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

using namespace nydus;
using namespace nydus::rafs_v6;

TEST_SUITE_BEGIN("metadata/rafs_v6/chunk_table");

namespace {

chunk_record record(std::uint32_t blob, std::uint32_t index) {
  chunk_record one{};
  one.blob_index = blob;
  one.index = index;
  one.uncompressed_offset = std::uint64_t{blob} << 32 | index;
  return one;
}

result<chunk_table> read(const std::vector<chunk_record>& records, std::size_t blobs) {
  return chunk_table::read(std::as_bytes(std::span{records}), blobs);
}

} // namespace

TEST_CASE("every chunk is found, whether the image has all of its blob or few, and no other") {
  std::vector<chunk_record> records;
  for (std::uint32_t index = 0; index < 1000; ++index)
    records.push_back(record(0, index)); // all
  for (std::uint32_t index = 7; index < 5000; index += 7)
    records.push_back(record(2, index)); // some of a layer below
  for (const auto index : {0u, 0xffffffu})
    records.push_back(record(253, index));
  std::shuffle(records.begin(), records.end(), std::mt19937{1}); // digests have no order
  const auto table = read(records, 254);
  REQUIRE(table);
  for (const auto& one : records) {
    const auto found = table->find(one.blob_index, one.index);
    REQUIRE(found);
    CHECK(found->uncompressed_offset == one.uncompressed_offset);
  }
  for (const auto& [blob, index] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{{0, 1000},
                                                                                        {0, 0xffffff},
                                                                                        {1, 0},
                                                                                        {2, 0},
                                                                                        {2, 6},
                                                                                        {2, 8},
                                                                                        {2, 5001},
                                                                                        {253, 1},
                                                                                        {254, 0},
                                                                                        {0xffffffff, 0}})
    CHECK(!table->find(blob, index));
}

TEST_CASE("an empty table has no chunk") {
  const auto table = read({}, 0);
  REQUIRE(table);
  CHECK(!table->find(0, 0));
}

TEST_CASE("a record of no blob, and a second one of a chunk are refused") {
  for (const auto& [records, word] : std::vector<std::pair<std::vector<chunk_record>, std::string>>{
           {{record(0, 0), record(1, 0)}, "blob_index is 1 of 1"},
           {{record(0, 0x1000000)}, "index 16777216"},
           {{record(0, 5), record(0, 4), record(0, 5)}, "same chunk"}}) {
    const auto table = read(records, 1);
    REQUIRE(!table);
    CHECK(table.error().code == errc::corrupt);
    CHECK_MESSAGE(table.error().detail.find(word) != std::string::npos, table.error().detail);
  }
}
