// SPDX-License-Identifier: Apache-2.0
#include "protocol/virtio/guest_memory.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <limits>

#include "test/fakes/shared_memory.hpp"

using namespace nydus;
using namespace nydus::virtio;

TEST_SUITE_BEGIN("protocol/virtio/guest_memory");

namespace {

constexpr std::uint64_t page = 4096;

std::shared_ptr<const mapped_region> region_at(std::uint64_t guest, std::uint64_t user, std::uint64_t size) {
  auto region = mapped_region::map({guest, size, user, 0}, memory_file(size));
  REQUIRE(region);
  return *region;
}

guest_memory::shared memory_of(std::vector<std::shared_ptr<const mapped_region>> regions) {
  auto memory = std::make_shared<const guest_memory>();
  for (auto& one : regions) {
    auto added = memory->with(std::move(one));
    REQUIRE(added);
    memory = *added;
  }
  return memory;
}

std::vector<iovec> places_of(const guest_memory& memory, std::uint64_t start, std::size_t size) {
  std::vector<iovec> places;
  const bool is_there = memory.translate(guest_address{start}, size, places);
  CHECK(is_there == (size == 0 || !places.empty()));
  return places;
}

} // namespace

TEST_CASE("an address is found in the region that holds it, at its offset in the file") {
  const auto file = memory_file(4 * page);
  REQUIRE(::pwrite(file.get(), "here", 4, 2 * page + 8) == 4);
  auto region = mapped_region::map({0x100000, 2 * page, 0x7000, page}, file);
  REQUIRE(region);
  const auto memory = memory_of({*region});
  const auto places = places_of(*memory, 0x100000 + page + 8, 4);
  REQUIRE(places.size() == 1);
  CHECK(std::memcmp(places[0].iov_base, "here", 4) == 0);
  CHECK(memory->find(user_address{0x7000 + page + 8}, 4) == places[0].iov_base);
}

TEST_CASE("bytes cross regions that adjoin, whatever order they were told in") {
  const auto high = region_at(0x10000 + page, 0x900000, page);
  const auto low = region_at(0x10000, 0x100000, page);
  const auto memory = memory_of({high, low});
  const auto places = places_of(*memory, 0x10000 + page - 8, 16);
  REQUIRE(places.size() == 2);
  CHECK(places[0].iov_base == low->begin() + page - 8);
  CHECK(places[0].iov_len == 8);
  CHECK(places[1].iov_base == high->begin());
  CHECK(places[1].iov_len == 8);
  std::vector<std::byte> copy;
  CHECK(memory->copy(guest_address{0x10000 + page - 8}, 16, copy));
  CHECK(copy.size() == 16);
}

TEST_CASE("what is not wholly memory is nowhere") {
  const auto memory =
      memory_of({region_at(0x10000, 0x100000, page), region_at(0x10000 + 2 * page, 0x200000, page)});
  const auto highest = std::numeric_limits<std::uint64_t>::max();
  CHECK(places_of(*memory, 0xffff, 1).empty());
  CHECK(places_of(*memory, 0xffff, 2).empty());
  CHECK(places_of(*memory, 0x10000, page + 1).empty());
  CHECK(places_of(*memory, 0x10000, 3 * page).empty());
  CHECK(places_of(*memory, 0x10000 + page, 1).empty());
  CHECK(places_of(*memory, 0x10000 + 3 * page, 1).empty());
  CHECK(places_of(*memory, highest, 1).empty());
  CHECK(places_of(*memory, highest - 8, 16).empty());
  CHECK(places_of(guest_memory{}, 0x10000, 1).empty());
  CHECK(memory->find(user_address{0x100000 + page - 1}, 2) == nullptr);
  CHECK(memory->find(user_address{0x100000}, std::numeric_limits<std::size_t>::max()) == nullptr);
  CHECK(memory->find(user_address{0xfffff}, 1) == nullptr);
  std::vector<std::byte> copy;
  CHECK(!memory->copy(guest_address{0x10000}, page + 1, copy));
}

TEST_CASE("a failed translation leaves what was there") {
  const auto memory = memory_of({region_at(0x10000, 0x100000, page)});
  std::vector<iovec> places{{nullptr, 7}};
  CHECK(!memory->translate(guest_address{0x10000}, 2 * page, places));
  CHECK(places.size() == 1);
}

TEST_CASE("a region that its file does not hold is malformed") {
  const auto file = memory_file(2 * page);
  const auto highest = std::numeric_limits<std::uint64_t>::max();
  memory_region wrong{0x10000, page, 0x100000, 0};
  SUBCASE("it is empty") {
    wrong.size = 0;
  }
  SUBCASE("it is too long") {
    wrong.size = 2 * page + 1;
  }
  SUBCASE("it begins too late") {
    wrong.file_offset = page + 1;
  }
  SUBCASE("its offset is beyond all files") {
    wrong.file_offset = highest - 100;
  }
  SUBCASE("its size is beyond all files") {
    wrong.size = highest - 100;
    wrong.guest_start = wrong.user_start = 0;
  }
  SUBCASE("its guest addresses wrap") {
    wrong.guest_start = highest - page + 2;
  }
  SUBCASE("its user addresses wrap") {
    wrong.user_start = highest - page + 2;
  }
  const auto region = mapped_region::map(wrong, file);
  REQUIRE(!region);
  CHECK(region.error().code == errc::malformed);
}

TEST_CASE("a descriptor that is no file is refused") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const unique_fd reading{ends[0]}, writing{ends[1]};
  CHECK(!mapped_region::map({0x10000, page, 0x100000, 0}, reading));
}

TEST_CASE("regions may not overlap, in either address space") {
  const auto memory = memory_of({region_at(0x10000, 0x100000, 2 * page)});
  CHECK(!memory->with(region_at(0x10000 + page, 0x900000, page)));
  CHECK(!memory->with(region_at(0x900000, 0x100000 - page, 2 * page)));
  CHECK(memory->with(region_at(0x10000 + 2 * page, 0x100000 + 2 * page, page)));
}

TEST_CASE("a region that is removed stays mapped for who still works with the old map") {
  const auto memory = memory_of({region_at(0x10000, 0x100000, page), region_at(0x20000, 0x200000, page)});
  const auto places = places_of(*memory, 0x20000, 8);
  auto less = memory->without({0x20000, page, 0x200000, 123});
  REQUIRE(less);
  CHECK(places_of(**less, 0x20000, 8).empty());
  CHECK((*less)->region_count() == 1);
  std::memset(places[0].iov_base, 1, 8); // would be a fault if it were not
  CHECK(!(*less)->without({0x20000, page, 0x200000, 0}));
  CHECK(!memory->without({0x20000, 2 * page, 0x200000, 0}));
}

TEST_CASE("there is an end to the number of regions") {
  auto memory = std::make_shared<const guest_memory>();
  for (std::uint64_t i = 0; i < most_regions; ++i) {
    auto added = memory->with(region_at((i + 1) * page, (i + 1) * page, page));
    REQUIRE(added);
    memory = *added;
  }
  CHECK(!memory->with(region_at((most_regions + 1) * page, (most_regions + 1) * page, page)));
}

TEST_CASE("memory that the VMM cuts short reads as zeros, and system calls fail on it") {
  const shared_memory memory{4 * page};
  memory.put(3 * page, 0x1234);
  REQUIRE(::ftruncate(memory.file().get(), page) == 0);
  const unique_fd zeros{memory_file(page)};
  CHECK(::pread(zeros.get(), memory.at(2 * page), 16, 0) == -1);
  CHECK(errno == EFAULT);
  CHECK(memory.get<int>(3 * page) == 0);
  memory.put(3 * page, 1); // kept to ourselves
}
