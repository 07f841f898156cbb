// SPDX-License-Identifier: Apache-2.0
#include "storage/chunk_presence.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "test/fakes/scratch_folder.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("storage/chunk_presence");

namespace {

std::unique_ptr<chunk_presence> open(const std::string& path, std::uint32_t count) {
  auto opened = chunk_presence::open(path, count);
  REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().detail));
  return std::move(*opened);
}

void change(const std::string& path, std::size_t offset, const std::string& with) {
  auto contents = read_file(path);
  contents.replace(offset, with.size(), with);
  write_file(path, contents);
}

} // namespace

TEST_CASE("a bit that is set is the only one, whichever it is and wherever it is kept") {
  const scratch_folder folder;
  for (const std::uint32_t count : {1u, 7u, 8u, 9u, 4096u * 8 + 1})
    for (const auto index : {0u, count / 2, count - 1}) {
      std::filesystem::remove(folder / "map");
      auto mapped = open(folder / "map", count);
      auto own = chunk_presence::in_memory(count);
      REQUIRE(own);
      for (auto* bits : {&*mapped, &**own}) {
        CHECK(bits->count() == 0);
        bits->set(index);
        CHECK(bits->count() == 1);
        for (std::uint32_t i = 0; i < count; ++i)
          if (bits->test(i) != (i == index))
            FAIL("bit " << i << " of " << count << " after setting " << index);
        bits->set(index);
        CHECK(bits->count() == 1);
      }
    }
}

TEST_CASE("an index behind the last chunk is neither set nor present") {
  const scratch_folder folder;
  auto bits = open(folder / "map", 9);
  bits->set(9);
  bits->set(~0u);
  CHECK(!bits->test(9));
  CHECK(!bits->test(~0u));
  CHECK(bits->count() == 0);
  CHECK(read_file(folder / "map").substr(4096) == std::string(2, '\0'));
}

TEST_CASE("two that opened one map see each other's bits") {
  const no_fd_leak guard;
  const scratch_folder folder;
  auto first = open(folder / "map", 100);
  auto second = open(folder / "map", 100);
  first->set(3);
  second->set(99);
  CHECK(second->test(3));
  CHECK(first->test(99));
  CHECK(first->count() == 2);
}

TEST_CASE("threads that set bits of the same bytes lose none") {
  const scratch_folder folder;
  constexpr std::uint32_t count = 4001;
  auto first = open(folder / "map", count);
  auto second = open(folder / "map", count);
  std::thread other{[&] {
    for (std::uint32_t i = 1; i < count; i += 2)
      second->set(i);
  }};
  for (std::uint32_t i = 0; i < count; i += 2)
    first->set(i);
  other.join();
  CHECK(first->count() == count);
}

TEST_CASE("a map of another maker is used: all_ready, version 0, bits behind the last chunk") {
  const scratch_folder folder;
  open(folder / "map", 12)->set(2);
  SUBCASE("all_ready makes every chunk present") {
    change(folder / "map", 12, "PAMM");
    CHECK(open(folder / "map", 12)->count() == 12);
    CHECK(open(folder / "map", 12)->test(11));
    CHECK(!open(folder / "map", 12)->test(12));
  }
  SUBCASE("version 0 knows no second magic and no all_ready") {
    change(folder / "map", 4, std::string(8, '\0') + "PAMM");
    CHECK(open(folder / "map", 12)->count() == 1);
    CHECK(open(folder / "map", 12)->test(2));
  }
  SUBCASE("bits behind the last chunk count for nothing") {
    change(folder / "map", 4097, "\x0f");
    CHECK(open(folder / "map", 12)->count() == 1);
  }
}

TEST_CASE("a map that is none is replaced by an empty one, and who has mapped it keeps it") {
  const scratch_folder folder;
  auto old = open(folder / "map", 12);
  old->set(2);
  SUBCASE("no magic") {
    change(folder / "map", 0, "X");
  }
  SUBCASE("no second magic") {
    change(folder / "map", 8, "X");
  }
  SUBCASE("zeros of the right size: its maker was killed") {
    std::filesystem::remove(folder / "map");
    write_file(folder / "map", std::string(4098, '\0'));
  }
  SUBCASE("of more chunks") {
    std::filesystem::remove(folder / "map");
    open(folder / "map", 17)->set(2);
  }
  SUBCASE("a symbolic link") {
    std::filesystem::rename(folder / "map", folder / "elsewhere");
    std::filesystem::create_symlink(folder / "elsewhere", folder / "map");
  }
  auto fresh = open(folder / "map", 12);
  CHECK(fresh->count() == 0);
  fresh->set(5);
  CHECK(!old->test(5));
  CHECK(open(folder / "map", 12)->test(5));
}

TEST_CASE("what a killed maker left is cleared away") {
  const scratch_folder folder;
  write_file(folder / "map.new", "half");
  open(folder / "map", 12)->set(2);
  CHECK(!std::filesystem::exists(folder / "map.new"));
  CHECK(std::distance(std::filesystem::directory_iterator{folder.path()}, {}) == 1);
}

TEST_CASE("a map that is cut short while it is mapped loses bits and takes new ones") {
  const scratch_folder folder;
  constexpr std::uint32_t count = 100'000;
  auto bits = open(folder / "map", count);
  bits->set(90'000);
  std::filesystem::resize_file(folder / "map", 0);
  CHECK(!bits->test(90'000));
  bits->set(90'001);
  CHECK(bits->test(90'001));
  CHECK(bits->count() == 1);
  CHECK(open(folder / "map", count)->count() == 0);
}

TEST_CASE("bits of four billion chunks cost no memory before they are set") {
  auto bits = chunk_presence::in_memory(~0u);
  REQUIRE(bits);
  (*bits)->set(~0u - 1);
  CHECK((*bits)->test(~0u - 1));
  const scratch_folder folder;
  auto mapped = open(folder / "map", ~0u);
  mapped->set(~0u - 1);
  CHECK(mapped->test(~0u - 1));
}

TEST_CASE("a map that cannot be made says where") {
  const auto refused = chunk_presence::open("/no/such/folder/map", 5);
  REQUIRE(!refused);
  CHECK(refused.error().detail.find("/no/such/folder/map") != std::string::npos);
}
