// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v5/image_v5.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "test/fakes/image_walk.hpp"
#include "test/fakes/opened_tiny_image.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("metadata/rafs_v5/image_v5");

namespace {

opened_image open_tiny(const tiny_image& wanted) {
  return open_bytes(make_tiny_image(wanted));
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
