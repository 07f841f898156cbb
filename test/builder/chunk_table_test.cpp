// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "builder/chunk_table.hpp"

using namespace nydus;
using namespace nydus::builder;

namespace {

rafs_v5::chunk_record record_of(std::uint32_t number, std::uint32_t size = 4096) {
  rafs_v5::chunk_record record{};
  record.digest = digest_of(digester::blake3, std::as_bytes(std::span{&number, 1}));
  record.uncompressed_size = size;
  record.index = number;
  return record;
}

} // namespace

TEST_SUITE_BEGIN("builder/chunk_table");

TEST_CASE("every chunk that was added is found by its digest, others are not") {
  chunk_table table;
  constexpr std::uint32_t count = 20000; // the table grows several times
  for (std::uint32_t i = 0; i < count; ++i)
    CHECK(table.add(record_of(i)) == i);
  CHECK(table.size() == count);
  for (std::uint32_t i = 0; i < count; ++i) {
    CHECK(table.find(record_of(i).digest, 4096) == i);
    CHECK(table[i].index == i);
  }
  CHECK_FALSE(table.find(record_of(count).digest, 4096));
}

TEST_CASE("of several with one digest the first is found, and only at its size") {
  chunk_table table;
  table.add(record_of(1, 100));
  table.add(record_of(1, 200));
  CHECK(table.size() == 2);
  CHECK(table.find(record_of(1).digest, 100) == 0);
  CHECK_FALSE(table.find(record_of(1).digest, 200));
}

TEST_CASE("digests that differ in one byte only are told apart") {
  chunk_table table;
  auto record = record_of(0);
  for (unsigned byte = 0; byte < 256; ++byte) {
    record.digest[31] = static_cast<std::uint8_t>(byte);
    table.add(record);
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    record.digest[31] = static_cast<std::uint8_t>(byte);
    CHECK(table.find(record.digest, 4096) == byte);
  }
}
