// SPDX-License-Identifier: Apache-2.0
#include "protocol/virtio/descriptor_chain.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <string>

#include "test/fakes/shared_memory.hpp"

using namespace nydus;
using namespace nydus::virtio;

TEST_SUITE_BEGIN("protocol/virtio/descriptor_chain");

namespace {

constexpr std::uint16_t more = descriptor_flag::next;
constexpr std::uint16_t writes = descriptor_flag::device_writes;
constexpr std::uint16_t indirect = descriptor_flag::indirect;
constexpr std::uint64_t buffers = 0x10000; // offsets of these in the memory
constexpr std::uint64_t table_place = 0x8000;

struct chain_test {
  shared_memory memory{1 << 20};
  descriptor_table table{memory.at(0), 8, true};
  descriptor_chain chain;

  static std::uint64_t guest(std::uint64_t offset) { return shared_memory::guest_start + offset; }
  void put(std::size_t index, std::uint64_t address, std::uint32_t length, std::uint16_t flags,
           std::uint16_t next = 0, std::uint64_t table_offset = 0) {
    memory.put(table_offset + index * sizeof(descriptor), descriptor{address, length, flags, next});
  }
  result<void> read(std::uint16_t head) { return read_chain(table, *memory.map(), head, chain); }
  void check_broken(std::uint16_t head, const std::string& part) {
    const auto outcome = read(head);
    REQUIRE(!outcome);
    CHECK(outcome.error().code == errc::malformed);
    CHECK_MESSAGE(outcome.error().detail.find(part) != std::string::npos, outcome.error().detail);
  }
};

} // namespace

TEST_CASE_FIXTURE(chain_test, "a chain is its readable places, then its writable ones") {
  put(2, guest(buffers), 40, more, 5);
  put(5, guest(buffers + 0x1000), 16, more | writes, 1);
  put(1, guest(buffers + 0x3000), 4096, writes);
  REQUIRE(read(2));
  CHECK(chain.readable_size == 40);
  CHECK(chain.writable_size == 16 + 4096);
  REQUIRE(chain.readable.size() == 1);
  REQUIRE(chain.writable.size() == 2);
  CHECK(chain.readable[0].iov_base == memory.at(buffers));
  CHECK(chain.writable[1].iov_base == memory.at(buffers + 0x3000));
}

TEST_CASE_FIXTURE(chain_test, "places that adjoin become one") {
  put(0, guest(buffers), 4096, more | writes, 1);
  put(1, guest(buffers + 4096), 4096, more | writes, 2);
  put(2, guest(buffers + 3 * 4096), 4096, writes);
  REQUIRE(read(0));
  REQUIRE(chain.writable.size() == 2);
  CHECK(chain.writable[0].iov_len == 8192);
  CHECK(chain.writable_size == 3 * 4096);
}

TEST_CASE_FIXTURE(chain_test, "an indirect table is a chain of its own") {
  put(3, guest(table_place), 3 * sizeof(descriptor), indirect);
  put(0, guest(buffers), 40, more, 2, table_place);
  put(2, guest(buffers + 0x1000), 100, writes, 0, table_place);
  REQUIRE(read(3));
  CHECK(chain.readable_size == 40);
  CHECK(chain.writable_size == 100);
}

TEST_CASE_FIXTURE(chain_test, "an indirect table may be larger than the queue") {
  put(0, guest(table_place), 20 * sizeof(descriptor), indirect);
  for (std::uint16_t i = 0; i < 20; ++i)
    put(i, guest(buffers + i * 8192u), 4096, static_cast<std::uint16_t>(i < 19 ? more | writes : writes),
        static_cast<std::uint16_t>(i + 1), table_place);
  REQUIRE(read(0));
  CHECK(chain.writable.size() == 20);
}

TEST_CASE_FIXTURE(chain_test, "a chain's vectors are used again and hold nothing of the one before") {
  put(0, guest(buffers), 40, more, 1);
  put(1, guest(buffers + 0x1000), 16, writes);
  REQUIRE(read(0));
  put(0, guest(buffers), 8, 0);
  REQUIRE(read(0));
  CHECK(chain.readable_size == 8);
  CHECK(chain.readable.size() == 1);
  CHECK(chain.writable.empty());
  CHECK(chain.writable_size == 0);
}

TEST_CASE_FIXTURE(chain_test, "a broken chain is malformed and says how") {
  put(0, guest(buffers), 40, more, 1);
  put(1, guest(buffers + 0x1000), 16, writes);
  SUBCASE("its head is no descriptor") {
    check_broken(8, "descriptor 8 of 8");
  }
  SUBCASE("it leaves the table") {
    put(0, guest(buffers), 40, more, 8);
    check_broken(0, "descriptor 8 of 8");
  }
  SUBCASE("it loops") {
    put(1, guest(buffers), 16, more, 0);
    check_broken(0, "no end");
  }
  SUBCASE("a readable buffer comes behind a writable one") {
    put(0, guest(buffers), 40, more | writes, 1);
    put(1, guest(buffers), 16, 0);
    check_broken(0, "behind a writable");
  }
  SUBCASE("a buffer is no memory") {
    put(1, 0x10, 16, writes);
    check_broken(0, "not in the guest's memory");
  }
  SUBCASE("a buffer begins in memory and leaves it") {
    put(1, guest((1 << 20) - 8), 16, writes);
    check_broken(0, "not in the guest's memory");
  }
  SUBCASE("a buffer wraps around all addresses") {
    put(1, std::numeric_limits<std::uint64_t>::max() - 4, 16, writes);
    check_broken(0, "not in the guest's memory");
  }
  SUBCASE("indirect tables were not negotiated") {
    table.may_be_indirect = false;
    put(0, guest(table_place), 16, indirect);
    check_broken(0, "not negotiated");
  }
  SUBCASE("an indirect table lies in another") {
    put(0, guest(table_place), 16, indirect);
    put(0, guest(table_place), 16, indirect, 0, table_place);
    check_broken(0, "inside another");
  }
  SUBCASE("an indirect table is not the end of its chain") {
    put(0, guest(table_place), 16, indirect | more, 1);
    check_broken(0, "not the end");
  }
  SUBCASE("an indirect table is empty") {
    put(0, guest(table_place), 0, indirect);
    check_broken(0, "0 bytes");
  }
  SUBCASE("an indirect table ends within a descriptor") {
    put(0, guest(table_place), 24, indirect);
    check_broken(0, "24 bytes");
  }
  SUBCASE("an indirect table has more descriptors than can be named") {
    put(0, guest(0), 65536 * 16, indirect);
    check_broken(0, "1048576 bytes");
  }
  SUBCASE("an indirect table is no memory") {
    put(0, 0x10, 16, indirect);
    check_broken(0, "not in the guest's memory");
  }
  SUBCASE("it has more buffers than any request needs") {
    put(0, guest(buffers), 5000 * 16, indirect);
    for (std::uint16_t i = 0; i < 5000; ++i)
      put(i, guest(0), 1, more, static_cast<std::uint16_t>(i + 1), buffers);
    check_broken(0, "more than 4096 buffers");
  }
  SUBCASE("an indirect chain leaves its table") {
    put(0, guest(table_place), 32, indirect);
    put(0, guest(buffers), 8, more, 5, table_place);
    check_broken(0, "descriptor 5 of 2");
  }
  SUBCASE("an indirect chain loops") {
    put(0, guest(table_place), 32, indirect);
    put(0, guest(buffers), 8, more, 1, table_place);
    put(1, guest(buffers), 8, more, 0, table_place);
    check_broken(0, "no end");
  }
}

TEST_CASE("the sum of all lengths stays within 32 bits") {
  // One region of 2 GiB, of which nothing is touched.
  const std::uint64_t size = std::uint64_t{1} << 31;
  auto region = mapped_region::map({0, size, 0x700000000000, 0}, memory_file(size));
  REQUIRE(region);
  const auto memory = guest_memory{}.with(*region);
  REQUIRE(memory);
  const std::array<descriptor, 2> entries{
      {{std::uint64_t{0}, static_cast<std::uint32_t>(size), static_cast<std::uint16_t>(writes | more),
        std::uint16_t{1}},
       {std::uint64_t{0}, static_cast<std::uint32_t>(size), writes, std::uint16_t{0}}}};
  const descriptor_table table{std::as_bytes(std::span{entries}).data(), 2, false};
  descriptor_chain chain;
  const auto outcome = read_chain(table, **memory, 0, chain);
  REQUIRE(!outcome);
  CHECK(outcome.error().detail.find("larger than 32 bits") != std::string::npos);
}

TEST_CASE("an answer is written across places") {
  std::array<char, 4> first{}, second{};
  std::array<char, 8> third{};
  const std::array<iovec, 3> places{{{first.data(), 4}, {second.data(), 4}, {third.data(), 8}}};
  chain_writer writer{places};
  writer.write(std::as_bytes(std::span{"abcdef", 6}));
  CHECK(std::string(first.data(), 4) == "abcd");
  CHECK(std::string(second.data(), 2) == "ef");
  third.fill('x');
  writer.write(std::as_bytes(std::span{"ghi", 3}));
  writer.write_zeros(2);
  CHECK(std::string(second.data(), 4) == "efgh");
  CHECK(std::string(third.data(), 4) == std::string("i\0\0x", 4));
}

TEST_CASE("a request is copied out of its places as far as there is room") {
  std::array<char, 3> first{'a', 'b', 'c'}, second{'d', 'e', 'f'};
  const std::array<iovec, 2> places{{{first.data(), 3}, {second.data(), 3}}};
  std::array<std::byte, 8> large{};
  std::array<std::byte, 4> small{};
  CHECK(copy_out(places, large) == 6);
  CHECK(copy_out(places, small) == 4);
  CHECK(small[3] == std::byte{'d'});
}
