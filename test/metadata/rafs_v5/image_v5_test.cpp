// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v5/image_v5.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "test/fakes/image_walk.hpp"
#include "test/fakes/tiny_image.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("metadata/rafs_v5/image_v5");

namespace {

constexpr inode_number root{1};

struct opened_image {
  tiny_image_bytes made;
  std::shared_ptr<const image> contents;

  inode_number number(const std::string& path) const { return inode_number{made.inode_numbers.at(path)}; }
  const image* operator->() const { return contents.get(); }
};

opened_image open_bytes(tiny_image_bytes made) {
  const temporary_directory folder;
  auto opened = open_image(folder.write("image.boot", made.bootstrap));
  REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().detail));
  return {std::move(made), std::move(*opened)};
}

opened_image open_tiny(const tiny_image& wanted) {
  return open_bytes(make_tiny_image(wanted));
}

std::vector<std::string> names(const image& opened, inode_number directory, std::uint64_t offset = 0) {
  std::vector<std::string> found;
  CHECK(opened.list(directory, offset, [&](const directory_entry& entry) {
    found.emplace_back(entry.name);
    return true;
  }));
  return found;
}

std::vector<chunk_slice> slices_of(const image& opened, inode_number file, std::uint64_t offset,
                                   std::uint64_t size) {
  std::vector<chunk_slice> slices;
  const auto cut = opened.slices(file, offset, size, slices);
  REQUIRE_MESSAGE(cut, (cut ? "" : cut.error().detail));
  return slices;
}

/// What a reader of these slices would see.
std::string bytes_of(const tiny_image_bytes& made, const std::vector<chunk_slice>& slices) {
  std::string bytes;
  for (const auto& slice : slices)
    bytes += slice.is_hole ? std::string(slice.size, '\0')
                           : made.blob.substr(slice.source.compressed_offset + slice.offset, slice.size);
  return bytes;
}

std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<char>('a' + (i / 7 + i / 4096) % 26);
  return bytes;
}

} // namespace

TEST_CASE("the superblock's fields are shown under their public names") {
  const auto opened = open_tiny({.entries = {{.path = "/a", .content = "x"}}, .prefetch = {"/a"}});
  const auto& shown = opened->description();
  CHECK(shown.format_version == 5);
  CHECK(shown.chunk_size == 4096);
  CHECK(shown.highest_inode == 2);
  CHECK(shown.metadata_size == opened.made.bootstrap.size());
  CHECK(shown.has_explicit_owners);
  CHECK(!shown.has_xattrs);
  const std::map<std::string, std::uint64_t> fields{shown.superblock_fields.begin(),
                                                    shown.superblock_fields.end()};
  CHECK(fields.at("magic") == 0x52414653);
  CHECK(fields.at("version") == 0x500);
  CHECK(fields.at("sb_size") == 8192);
  CHECK(fields.at("inode_table_entries") == 2);
  CHECK(fields.at("inode_table_offset") == 8192);
  CHECK(fields.at("prefetch_table_entries") == 1);
  CHECK(fields.at("extended_blob_table_entries") == 1);
  for (const auto* name :
       {"root_inode", "chunk_size", "inodes_count", "blob_table_offset", "blob_table_size",
        "extended_blob_table_offset", "blob_device_table_count", "blob_device_table_offset",
        "prefetch_table_offset", "meta_blkaddr", "root_nid", "chunk_table_offset", "chunk_table_size"})
    CHECK_MESSAGE(fields.count(name) == 1, name);
  CHECK(opened->prefetch_list() == std::vector<inode_number>{opened.number("/a")});
}

TEST_CASE("attributes are those of the record") {
  const auto opened = open_tiny({.entries = {{.path = "/", .mode = 0041700, .mtime = 0},
                                             {.path = "/f",
                                              .mode = 0104751,
                                              .content = "hello",
                                              .uid = 2147483646,
                                              .gid = 4294967294,
                                              .mtime = 7,
                                              .device = 99},
                                             {.path = "/dev", .mode = 0020600, .device = 0x12345},
                                             {.path = "/link", .mode = 0120777, .content = "to/there"}}});
  const auto file = opened->lookup(root, "f");
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
  CHECK(opened->lookup(root, "dev")->device == 0x12345);
  CHECK(opened->lookup(root, "link")->size == 8);
  CHECK(*opened->symlink_target(opened.number("/link")) == "to/there");
  CHECK(!opened->symlink_target(opened.number("/f")));

  const auto top = opened->attributes(root);
  REQUIRE(top);
  CHECK(top->mode == 0041755); // permission bits are forced, the others stay
  const auto now = static_cast<std::uint64_t>(std::time(nullptr));
  CHECK(top->modified_seconds + 60 > now); // 0: when the image was opened
  CHECK(top->modified_seconds <= now);
  const auto missing = opened->attributes(inode_number{99});
  REQUIRE(!missing);
  CHECK(missing.error().code == errc::not_found);
  CHECK(!opened->attributes(inode_number{0}));
}

TEST_CASE("without recorded owners everything is the daemon's") {
  const auto opened =
      open_tiny({.entries = {{.path = "/f", .uid = 5, .gid = 6}}, .has_explicit_owners = false});
  const auto file = opened->lookup(root, "f");
  REQUIRE(file);
  CHECK(file->uid == ::geteuid());
  CHECK(file->gid == ::getegid());
}

TEST_CASE("names are found by bisection, whatever their bytes") {
  std::vector<std::string> all;
  for (int byte = 1; byte < 256; ++byte)
    if (byte != '/' && byte != '.')
      all.push_back(std::string(1, static_cast<char>(byte)));
  all.insert(all.end(), {"...", "aa", "a.", std::string(255, 'n'), std::string(254, 'n')});
  tiny_image wanted;
  for (const auto& name : all)
    wanted.entries.push_back({.path = "/" + name});
  const auto opened = open_tiny(wanted);
  for (const auto& name : all) {
    const auto found = opened->lookup(root, name);
    REQUIRE(found);
    CHECK(found->number == opened.number("/" + name));
  }
  for (const auto& name :
       std::vector<std::string>{"", "ab", ".", "..", "/", "a/", std::string(256, 'n'), "\xff\xff"}) {
    const auto found = opened->lookup(root, name);
    REQUIRE(!found);
    CHECK(found.error().code == errc::not_found);
  }
  const auto in_file = opened->lookup(opened.number("/aa"), "x");
  REQUIRE(!in_file);
  CHECK(in_file.error().code == errc::not_a_directory);
}

TEST_CASE("a listing can be taken up at each cursor") {
  const auto opened = open_tiny(
      {.entries = {{.path = "/a"}, {.path = "/b"}, {.path = "/c"}, {.path = "/e", .mode = 0040700}}});
  std::vector<std::uint64_t> cursors{0};
  CHECK(opened->list(root, 0, [&](const directory_entry& entry) {
    cursors.push_back(entry.next_offset);
    return true;
  }));
  const std::vector<std::string> all{"a", "b", "c", "e"};
  for (std::size_t i = 0; i < cursors.size(); ++i)
    CHECK(names(*opened.contents, root, cursors[i]) ==
          std::vector<std::string>(all.begin() + static_cast<std::ptrdiff_t>(i), all.end()));
  CHECK(names(*opened.contents, root, ~std::uint64_t{0}).empty());
  CHECK(names(*opened.contents, opened.number("/e")).empty());
  int seen = 0;
  CHECK(opened->list(root, 0, [&](const directory_entry&) { return ++seen < 2; }));
  CHECK(seen == 2);
  const auto of_file = opened->list(opened.number("/a"), 0, [](const directory_entry&) { return true; });
  REQUIRE(!of_file);
  CHECK(of_file.error().code == errc::not_a_directory);
}

TEST_CASE("hard links show the same inode, also where a link precedes its directory's number") {
  const auto opened = open_tiny({.entries = {{.path = "/a", .content = "hello", .uid = 7},
                                             {.path = "/b", .hard_link_to = "/a"},
                                             {.path = "/d/c", .hard_link_to = "/a"},
                                             {.path = "/d/e/f", .hard_link_to = "/a"}}});
  const auto first = opened->lookup(root, "a");
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

TEST_CASE("the way up ends at the root") {
  const auto opened = open_tiny({.entries = {{.path = "/a/b/c/f"}}});
  CHECK(*opened->parent(opened.number("/a/b/c")) == opened.number("/a/b"));
  CHECK(*opened->parent(opened.number("/a")) == root);
  CHECK(*opened->parent(root) == root);
  CHECK(!opened->parent(opened.number("/a/b/c/f")));
}

TEST_CASE("extended attributes are found and listed with any value") {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, std::string>> attributes{
      {"user.empty", ""}, {"security.capability", "\1\0\0\2\0"s}, {"user.long", std::string(60'000, 'v')}};
  const auto opened = open_tiny(
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

TEST_CASE("slices are the asked bytes of a dense file, cut at its end") {
  const auto content = pattern(3 * 4096 + 123);
  const auto opened =
      open_tiny({.entries = {{.path = "/f", .content = content}, {.path = "/empty"}, {.path = "/d/x"}}});
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
  const auto of_directory = opened->slices(root, 0, 1, none);
  REQUIRE(!of_directory);
  CHECK(of_directory.error().code == errc::is_a_directory);
}

TEST_CASE("slices of a file with holes are its bytes with zeros between") {
  std::string content(50'000, '\0');
  const std::vector<std::pair<std::uint64_t, std::string>> extents{
      {100, pattern(50)}, {4096, pattern(4096)}, {8192, pattern(1)}, {40'000, pattern(4000)}};
  for (const auto& [offset, bytes] : extents)
    content.replace(offset, bytes.size(), bytes);
  const auto opened =
      open_tiny({.entries = {{.path = "/f", .extents = extents, .sparse_size = content.size()},
                             {.path = "/huge",
                              .extents = {{std::uint64_t{1} << 46, "end"}},
                              .sparse_size = std::uint64_t{1} << 47}}});
  const auto file = opened.number("/f");
  for (const std::uint64_t offset :
       {0, 1, 99, 100, 149, 150, 4096, 8191, 8192, 8193, 39'999, 43'999, 44'000, 49'999, 50'000})
    for (const std::uint64_t size : {1, 49, 51, 4096, 10'000, 60'000}) {
      CAPTURE(offset);
      CAPTURE(size);
      CHECK(bytes_of(opened.made, slices_of(*opened.contents, file, offset, size)) ==
            (offset < content.size() ? content.substr(offset, size) : ""));
    }
  std::uint64_t total = 0;
  const auto slices = slices_of(*opened.contents, opened.number("/huge"), 0, ~std::uint64_t{0});
  for (const auto& slice : slices)
    total += slice.size;
  CHECK(total == std::uint64_t{1} << 47);
  CHECK(slices.size() < 200'000);
}

TEST_CASE("chunks that overlap or are out of order in a file with holes are refused") {
  auto made = make_tiny_image(
      {.entries = {{.path = "/f", .extents = {{0, "abc"}, {100, "def"}}, .sparse_size = 200}}});
  const auto second = made.records.at("/f") + sizeof(rafs_v5::inode) + 8 + sizeof(rafs_v5::chunk_record);
  made.bootstrap[second + 64] = 1; // file_offset
  const auto opened = open_bytes(std::move(made));
  std::vector<chunk_slice> slices;
  const auto cut = opened->slices(opened.number("/f"), 0, 200, slices);
  REQUIRE(!cut);
  CHECK(cut.error().detail.find("overlaps") != std::string::npos);
}

TEST_CASE("a chunk marked as hole without stored bytes is zeros") {
  auto made = make_tiny_image({.entries = {{.path = "/f", .content = pattern(4096)}}});
  const auto chunk = made.records.at("/f") + sizeof(rafs_v5::inode) + 8;
  made.bootstrap[chunk + 36] = 2;                        // flags
  std::memset(made.bootstrap.data() + chunk + 40, 0, 4); // compressed_size
  made.bootstrap[chunk + 32] = 77;                       // blob_index, which is of no use then
  const auto opened = open_bytes(std::move(made));
  const auto slices = slices_of(*opened.contents, opened.number("/f"), 10, 100);
  REQUIRE(slices.size() == 1);
  CHECK(slices[0].is_hole);
  CHECK(slices[0].size == 100);
}

TEST_CASE("an image of before the extended table reads, with nothing known of its blob's sizes") {
  const auto content = pattern(10'000);
  const auto opened =
      open_tiny({.entries = {{.path = "/f", .content = content}}, .has_extended_table = false});
  CHECK(!opened->blobs()[0].has_chunk_index());
  CHECK(opened->blobs()[0].compressed_size == 0);
  CHECK(bytes_of(opened.made, slices_of(*opened.contents, opened.number("/f"), 0, 10'000)) == content);
}

TEST_CASE("legacy gzip chunks may lack their stored size, and have no digests of data") {
  auto made = make_tiny_image({.entries = {{.path = "/f", .content = pattern(4096)}},
                               .digests = digester::sha256,
                               .has_extended_table = false});
  made.bootstrap[16] = 0x40 | 0x8; // flags: gzip, sha256
  const auto chunk = made.records.at("/f") + sizeof(rafs_v5::inode) + 8;
  made.bootstrap[chunk + 36] = 1;
  std::memset(made.bootstrap.data() + chunk + 40, 0, 4);
  const auto opened = open_bytes(std::move(made));
  CHECK(opened->blobs()[0].compression == compressor::gzip);
  CHECK(!opened->blobs()[0].has_data_digests);
  CHECK(slices_of(*opened.contents, opened.number("/f"), 0, 4096).size() == 1);
  CHECK(opened->verify(opened.number("/f")));
}

TEST_CASE("each inode's digest verifies, and one changed byte of it does not") {
  for (const auto kind : {digester::blake3, digester::sha256}) {
    const tiny_image wanted{.entries = {{.path = "/d/f", .content = pattern(9000)},
                                        {.path = "/link", .mode = 0120777, .content = "d/f"},
                                        {.path = "/fifo", .mode = 0010600},
                                        {.path = "/empty"}},
                            .digests = kind};
    const auto good = make_tiny_image(wanted);
    for (const auto& one : good.records) {
      const auto& path = one.first;
      const auto record = one.second;
      CAPTURE(path);
      const inode_number number{good.inode_numbers.at(path)};
      CHECK(open_bytes(good)->verify(number));
      auto bad = good;
      bad.bootstrap[record + 31] = static_cast<char>(bad.bootstrap[record + 31] ^ 1);
      const auto verified = open_bytes(std::move(bad))->verify(number);
      REQUIRE(!verified);
      CHECK(verified.error().code == errc::corrupt);
    }
  }
}

TEST_CASE("a directory of 100,000 entries is listed in order, and its names found") {
  tiny_image wanted;
  char name[32];
  for (int i = 0; i < 100'000; ++i) {
    std::snprintf(name, sizeof name, "/big/entry-%06d", i);
    wanted.entries.push_back({.path = name});
  }
  const auto opened = open_tiny(wanted);
  const auto big = opened.number("/big");
  const auto listed = names(*opened.contents, big);
  REQUIRE(listed.size() == 100'000);
  CHECK(std::is_sorted(listed.begin(), listed.end()));
  CHECK(names(*opened.contents, big, 99'999).at(0) == "entry-099999");
  for (int i = 0; i < 100'000; i += 997)
    CHECK(opened->lookup(big, listed[static_cast<std::size_t>(i)]));
  CHECK(!opened->lookup(big, "entry-1"));
  CHECK(opened->verify(big));
}
