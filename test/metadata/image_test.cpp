// SPDX-License-Identifier: Apache-2.0
// What every image answers, whatever its format.
#include "metadata/image.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "test/fakes/image_walk.hpp"
#include "test/fakes/opened_tiny_image.hpp"
#include "test/fakes/tiny_image_v6.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("metadata/image");

namespace {

struct rafs_v5_format {
  static opened_image open(const tiny_image& wanted) { return open_bytes(make_tiny_image(wanted)); }
};
struct rafs_v6_format {
  static opened_image open(const tiny_image& wanted) { return open_bytes(make_tiny_image_v6(wanted)); }
};

} // namespace

TEST_CASE_TEMPLATE("attributes are those of the record", format, rafs_v5_format, rafs_v6_format) {
  const auto opened = format::open({.entries = {{.path = "/", .mode = 0041700, .mtime = 0},
                                                {.path = "/f",
                                                 .mode = 0104751,
                                                 .content = "hello",
                                                 .uid = 2147483646,
                                                 .gid = 4294967294,
                                                 .mtime = 7,
                                                 .device = 99},
                                                {.path = "/dev", .mode = 0020600, .device = 0x12345},
                                                {.path = "/link", .mode = 0120777, .content = "to/there"}}});
  const auto file = opened->lookup(opened.root(), "f");
  REQUIRE(file);
  CHECK(file->number == opened.number("/f"));
  CHECK(file->mode == 0104751);
  CHECK(file->uid == 2147483646);
  CHECK(file->gid == 4294967294);
  CHECK(file->modified_seconds == 7);
  CHECK(file->size == 5);
  CHECK(file->blocks == 1);
  CHECK(file->link_count == 1);
  CHECK(file->device == 0); // devices only
  CHECK(opened->lookup(opened.root(), "dev")->device == 0x12345);
  CHECK(opened->lookup(opened.root(), "link")->size == 8);
  CHECK(*opened->symlink_target(opened.number("/link")) == "to/there");
  CHECK(!opened->symlink_target(opened.number("/f")));

  const auto top = opened->attributes(opened.root());
  REQUIRE(top);
  CHECK(top->mode == 0041755); // permission bits are forced, the others stay
  const auto now = static_cast<std::uint64_t>(std::time(nullptr));
  CHECK(top->modified_seconds + 60 > now); // 0: when the image was opened
  CHECK(top->modified_seconds <= now);
  const auto missing = opened->attributes(inode_number{opened->description().highest_inode + 1});
  REQUIRE(!missing);
  CHECK(missing.error().code == errc::not_found);
  CHECK(!opened->attributes(inode_number{0}));
}

TEST_CASE_TEMPLATE("without recorded owners everything is the daemon's", format, rafs_v5_format,
                   rafs_v6_format) {
  const auto opened =
      format::open({.entries = {{.path = "/f", .uid = 5, .gid = 6}}, .has_explicit_owners = false});
  const auto file = opened->lookup(opened.root(), "f");
  REQUIRE(file);
  CHECK(file->uid == ::geteuid());
  CHECK(file->gid == ::getegid());
}

TEST_CASE_TEMPLATE("names are found by bisection, whatever their bytes", format, rafs_v5_format,
                   rafs_v6_format) {
  std::vector<std::string> all;
  for (int byte = 1; byte < 256; ++byte)
    if (byte != '/' && byte != '.')
      all.push_back(std::string(1, static_cast<char>(byte)));
  all.insert(all.end(), {"...", "aa", "a.", std::string(255, 'n'), std::string(254, 'n')});
  tiny_image wanted;
  for (const auto& name : all)
    wanted.entries.push_back({.path = "/" + name});
  const auto opened = format::open(wanted);
  for (const auto& name : all) {
    const auto found = opened->lookup(opened.root(), name);
    REQUIRE(found);
    CHECK(found->number == opened.number("/" + name));
  }
  for (const auto& name :
       std::vector<std::string>{"", "ab", ".", "..", "/", "a/", std::string(256, 'n'), "\xff\xff"}) {
    const auto found = opened->lookup(opened.root(), name);
    REQUIRE(!found);
    CHECK(found.error().code == errc::not_found);
  }
  const auto in_file = opened->lookup(opened.number("/aa"), "x");
  REQUIRE(!in_file);
  CHECK(in_file.error().code == errc::not_a_directory);
}

TEST_CASE_TEMPLATE("a listing can be taken up at each cursor", format, rafs_v5_format, rafs_v6_format) {
  const auto opened = format::open(
      {.entries = {{.path = "/a"}, {.path = "/b"}, {.path = "/c"}, {.path = "/e", .mode = 0040700}}});
  std::vector<std::uint64_t> cursors{0};
  CHECK(opened->list(opened.root(), 0, [&](const directory_entry& entry) {
    cursors.push_back(entry.next_offset);
    return true;
  }));
  const std::vector<std::string> all{"a", "b", "c", "e"};
  for (std::size_t i = 0; i < cursors.size(); ++i)
    CHECK(names(*opened.contents, opened.root(), cursors[i]) ==
          std::vector<std::string>(all.begin() + static_cast<std::ptrdiff_t>(i), all.end()));
  CHECK(names(*opened.contents, opened.root(), ~std::uint64_t{0}).empty());
  CHECK(names(*opened.contents, opened.number("/e")).empty());
  int seen = 0;
  CHECK(opened->list(opened.root(), 0, [&](const directory_entry&) { return ++seen < 2; }));
  CHECK(seen == 2);
  const auto of_file = opened->list(opened.number("/a"), 0, [](const directory_entry&) { return true; });
  REQUIRE(!of_file);
  CHECK(of_file.error().code == errc::not_a_directory);
}

TEST_CASE_TEMPLATE("hard links show the same inode, also where a link precedes its directory's number",
                   format, rafs_v5_format, rafs_v6_format) {
  const auto opened = format::open({.entries = {{.path = "/a", .content = "hello", .uid = 7},
                                                {.path = "/b", .hard_link_to = "/a"},
                                                {.path = "/d/c", .hard_link_to = "/a"},
                                                {.path = "/d/e/f", .hard_link_to = "/a"}}});
  const auto first = opened->lookup(opened.root(), "a");
  REQUIRE(first);
  CHECK(first->link_count == 4);
  for (const auto& [directory, name] :
       std::vector<std::pair<std::string, std::string>>{{"/", "b"}, {"/d", "c"}, {"/d/e", "f"}}) {
    const auto link = opened->lookup(opened.number(directory), name);
    REQUIRE_MESSAGE(link, (link ? "" : link.error().detail));
    CHECK(link->number == first->number);
    CHECK(link->uid == 7);
    CHECK(link->link_count == 4);
    CHECK(names(*opened.contents, opened.number(directory)).size() >= 1);
  }
  std::vector<failure> failures;
  CHECK(walk_image(*opened.contents, failures).size() == 6);
  CHECK(failures.empty());
}

TEST_CASE_TEMPLATE("the way up ends at the root", format, rafs_v5_format, rafs_v6_format) {
  const auto opened = format::open({.entries = {{.path = "/a/b/c/f"}}});
  CHECK(*opened->parent(opened.number("/a/b/c")) == opened.number("/a/b"));
  CHECK(*opened->parent(opened.number("/a")) == opened.root());
  CHECK(*opened->parent(opened.root()) == opened.root());
  CHECK(!opened->parent(opened.number("/a/b/c/f")));
}

TEST_CASE_TEMPLATE("extended attributes are found and listed with any value", format, rafs_v5_format,
                   rafs_v6_format) {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, std::string>> attributes{
      {"user.empty", ""}, {"security.capability", "\1\0\0\2\0"s}, {"user.long", std::string(60'000, 'v')}};
  const auto opened = format::open(
      {.entries = {{.path = "/f", .content = "x", .xattrs = attributes},
                   {.path = "/link", .mode = 0120777, .content = "f", .xattrs = {{"trusted.x", "z"}}},
                   {.path = "/none"}}});
  CHECK(opened->description().has_xattrs);
  const auto file = opened.number("/f");
  for (const auto& [name, value] : attributes)
    CHECK(*opened->xattr(file, name) == value);
  std::vector<std::pair<std::string, std::string>> listed;
  CHECK(opened->list_xattrs(file, [&](auto name, auto value) { listed.emplace_back(name, value); }));
  CHECK(listed == attributes);
  CHECK(*opened->xattr(opened.number("/link"), "trusted.x") == "z");
  for (const auto* name : {"", "user.emptyx", "user"}) {
    const auto missing = opened->xattr(file, name);
    REQUIRE(!missing);
    CHECK(missing.error().code == errc::no_attribute);
  }
  CHECK(opened->list_xattrs(opened.number("/none"), [](auto, auto) { FAIL("there is none"); }));
}

TEST_CASE_TEMPLATE("slices are the asked bytes of a dense file, cut at its end", format, rafs_v5_format,
                   rafs_v6_format) {
  const auto content = pattern(3 * 4096 + 123);
  const auto opened =
      format::open({.entries = {{.path = "/f", .content = content}, {.path = "/empty"}, {.path = "/d/x"}}});
  const auto file = opened.number("/f");
  for (const std::uint64_t offset : {0, 1, 4095, 4096, 4097, 12287, 12288, 12410, 12411, 12412, 1'000'000})
    for (const std::uint64_t size : {0, 1, 4095, 4096, 4097, 8193, 20'000}) {
      CAPTURE(offset);
      CAPTURE(size);
      const auto expected = offset < content.size() ? content.substr(offset, size) : "";
      CHECK(bytes_of(opened.made, slices_of(*opened.contents, file, offset, size)) == expected);
    }
  CHECK(bytes_of(opened.made, slices_of(*opened.contents, file, 5, ~std::uint64_t{0})) == content.substr(5));
  CHECK(slices_of(*opened.contents, file, ~std::uint64_t{0}, ~std::uint64_t{0}).empty());
  CHECK(slices_of(*opened.contents, opened.number("/empty"), 0, 4096).empty());
  std::vector<chunk_slice> none;
  const auto of_directory = opened->slices(opened.root(), 0, 1, none);
  REQUIRE(!of_directory);
  CHECK(of_directory.error().code == errc::is_a_directory);
}

TEST_CASE_TEMPLATE("a directory of 100,000 entries is listed in order, and its names found", format,
                   rafs_v5_format, rafs_v6_format) {
  tiny_image wanted;
  char name[32];
  for (int i = 0; i < 100'000; ++i) {
    std::snprintf(name, sizeof name, "/big/entry-%06d", i);
    wanted.entries.push_back({.path = name});
  }
  const auto opened = format::open(wanted);
  const auto big = opened.number("/big");
  const auto listed = names(*opened.contents, big);
  REQUIRE(listed.size() == 100'000);
  CHECK(std::is_sorted(listed.begin(), listed.end()));
  std::uint64_t last = 0;
  std::uint64_t before_last = 0;
  CHECK(opened->list(big, 0, [&](const directory_entry& entry) {
    before_last = std::exchange(last, entry.next_offset);
    return true;
  }));
  CHECK(names(*opened.contents, big, before_last) == std::vector<std::string>{"entry-099999"});
  for (int i = 0; i < 100'000; i += 997)
    CHECK(opened->lookup(big, listed[static_cast<std::size_t>(i)]));
  CHECK(!opened->lookup(big, "entry-1"));
  CHECK(opened->verify(big));
}
