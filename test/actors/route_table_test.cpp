// SPDX-License-Identifier: Apache-2.0
#include "actors/route_table.hpp"

#include <doctest/doctest.h>

using namespace nydus;

TEST_SUITE_BEGIN("actors/route_table");

namespace {

route numbered(std::uint32_t number) {
  route one;
  one.number = number;
  one.root.ino = std::uint64_t{number} << 44 | 1;
  return one;
}

} // namespace

TEST_CASE("mountpoints are normalized, and those that lead elsewhere refused") {
  CHECK(*normalize_mountpoint("a//b/./c/") == "/a/b/c");
  CHECK(*normalize_mountpoint("") == "/");
  CHECK(!normalize_mountpoint("/a/../b"));
  CHECK(!normalize_mountpoint(std::string{"/a\0b", 4}));
  CHECK(!normalize_mountpoint("/" + std::string(256, 'x')));
}

TEST_CASE("directories above mounts come with the first and go with the last") {
  route_table table;
  REQUIRE(table.add("/a/b/c", numbered(1)));
  REQUIRE(table.add("/a/d", numbered(2)));
  const auto* root = table.find_directory(FUSE_ROOT_ID);
  REQUIRE(root->entries.count("a") == 1);
  const auto a = root->entries.at("a").attributes.ino;
  CHECK(table.find_directory(a)->entries.size() == 2);
  const auto gone = table.remove("/a/b/c");
  CHECK(gone.gone.size() == 2); // c and b
  CHECK(root->entries.at("a").attributes.ino == a);
  table.remove("/a/d");
  CHECK(table.find_directory(FUSE_ROOT_ID)->entries.empty());
  CHECK(table.find_directory(a) == nullptr);
}

TEST_CASE("a mount is not hidden by another one") {
  route_table table;
  REQUIRE(table.add("/a/b", numbered(1)));
  for (const auto* path : {"/a/b", "/a", "/a/b/c", "/"})
    CHECK(!table.add(path, numbered(2)));
  CHECK(table.find_mount(1) != nullptr);
  CHECK(table.find_mount(2) == nullptr);
  table.remove("/a/b");
  REQUIRE(table.add("/", numbered(3)));
  CHECK(!table.add("/a", numbered(4)));
  CHECK(table.root_mount()->number == 3);
}

TEST_CASE("a replaced mount is reached no more by its number") {
  route_table table;
  REQUIRE(table.add("/a", numbered(1)));
  const auto change = table.replace("/a", numbered(2));
  CHECK(change.gone.size() == 1);
  CHECK(table.find_mount(1) == nullptr);
  CHECK(table.find_mount("/a")->number == 2);
}

TEST_CASE("tables that take the same steps show the same directories, times too") {
  using kind = route_step::kind;
  route_table one;
  route_table other;
  std::vector<route_step> steps;
  for (std::uint32_t number = 1; number <= 50; ++number) {
    const std::uint64_t at = number * 1'000'000'100;
    steps.push_back(
        {kind::add, "/a" + std::to_string(number % 7) + "/b" + std::to_string(number), numbered(number), at});
    if (number % 3 == 0)
      steps.push_back({kind::remove, steps.back().path, {}, at + 10});
    else if (number % 5 == 0)
      steps.push_back({kind::replace, steps.back().path, numbered(number + 1000), at + 20});
  }
  for (const auto& step : steps)
    REQUIRE(one.take(step));
  for (const auto& step : steps)
    REQUIRE(other.take(step));
  CHECK(!one.take({kind::add, "/a1", numbered(2000), 7})); // a directory: nothing changes
  std::size_t directories = 0;
  for (std::uint64_t node = FUSE_ROOT_ID; node < 100; ++node) {
    const auto* mine = one.find_directory(node);
    const auto* its = other.find_directory(node);
    REQUIRE((mine == nullptr) == (its == nullptr));
    if (mine == nullptr)
      continue;
    ++directories;
    CHECK(mine->attributes.mtime == its->attributes.mtime);
    CHECK(mine->attributes.mtimensec == its->attributes.mtimensec);
    REQUIRE(mine->entries.size() == its->entries.size());
    for (const auto& [name, entry] : mine->entries) {
      CHECK(its->entries.at(name).attributes.ino == entry.attributes.ino);
      CHECK(its->entries.at(name).attributes.mtime == entry.attributes.mtime);
    }
  }
  CHECK(directories == 8); // the root and seven below it
}
