// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v6/image_v6.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "test/fakes/image_walk.hpp"
#include "test/fakes/opened_tiny_image.hpp"
#include "test/fakes/tiny_image_v6.hpp"

using namespace nydus;
using namespace nydus::rafs_v6;

TEST_SUITE_BEGIN("metadata/rafs_v6/image_v6");

namespace {

template <class Record>
Record record_at(const tiny_image_bytes& made, std::uint64_t at) {
  Record record;
  std::memcpy(&record, made.bootstrap.data() + at, sizeof record);
  return record;
}

template <class Record>
void put(tiny_image_bytes& made, std::uint64_t at, const Record& record) {
  std::memcpy(made.bootstrap.data() + at, &record, sizeof record);
}

} // namespace

TEST_CASE("the superblock's fields are shown under their public names") {
  const auto opened =
      open_bytes(make_tiny_image_v6({.entries = {{.path = "/a", .content = "x"}}, .prefetch = {"/a"}}));
  const auto& shown = opened->description();
  CHECK(shown.format_version == 6);
  CHECK(shown.chunk_size == 4096);
  CHECK(shown.metadata_size == opened.made.bootstrap.size());
  CHECK(shown.has_explicit_owners);
  const std::map<std::string, std::uint64_t> fields{shown.superblock_fields.begin(),
                                                    shown.superblock_fields.end()};
  CHECK(fields.at("magic") == 0xe0f5e1e2);
  CHECK(fields.at("version") == 0x600);
  CHECK(fields.at("root_nid") == static_cast<std::uint64_t>(opened.root()));
  CHECK(fields.at("blob_device_table_count") == 1);
  CHECK(fields.at("prefetch_table_entries") == 1);
  CHECK(fields.at("chunk_table_size") == 80);
  CHECK(opened->prefetch_list() == std::vector<inode_number>{opened.number("/a")});
}

TEST_CASE("a compact inode shows what it has, and the time at which the image was opened") {
  auto made = make_tiny_image_v6({.entries = {{.path = "/f", .mode = 0104751, .uid = 5, .gid = 6}}});
  const auto at = made.records.at("/f");
  compact_inode small{};
  small.format = static_cast<std::uint16_t>(static_cast<unsigned>(data_layout::chunk_based) << 1);
  small.mode = 0104751;
  small.link_count = 3;
  small.uid = 65535;
  small.gid = 7;
  small.location = chunk_indexes_format;
  put(made, at, small);
  const auto opened = open_bytes(std::move(made));
  const auto file = opened->lookup(opened.root(), "f");
  REQUIRE(file);
  CHECK(file->mode == 0104751);
  CHECK(file->link_count == 3);
  CHECK(file->uid == 65535);
  CHECK(file->gid == 7);
  CHECK(file->size == 0);
  CHECK(file->modified_seconds > 1'600'000'000);
}

TEST_CASE("inodes follow one another, for readers of small files") {
  const auto opened = open_bytes(make_tiny_image_v6(
      {.entries = {{.path = "/a", .content = "a", .xattrs = {{"user.long", std::string(100, 'v')}}},
                   {.path = "/b", .content = "b"},
                   {.path = "/c", .content = std::string(20'000, 'c')},
                   {.path = "/d", .content = "d"}}}));
  for (const auto& [one, next] :
       std::vector<std::pair<std::string, std::string>>{{"/a", "/b"}, {"/b", "/c"}, {"/c", "/d"}})
    CHECK(opened->following(opened.number(one)) == opened.number(next));
  CHECK(!opened->following(inode_number{opened->description().highest_inode}));
}

TEST_CASE("a layer's blob of which the image has few chunks reads") {
  auto made = make_tiny_image_v6({.entries = {{.path = "/f", .content = "hello"}}});
  // As if four chunks of an overlaid layer came before.
  auto blob = record_at<blob_entry>(made, block_size);
  blob.chunk_count = 5;
  put(made, block_size, blob);
  const auto table = record_at<extended_superblock>(made, extended_superblock_offset).chunk_table_offset;
  auto record = record_at<chunk_record>(made, table);
  record.index = 4;
  put(made, table, record);
  const auto index_at = made.records.at("/f") + sizeof(extended_inode);
  auto index = record_at<chunk_index>(made, index_at);
  index.index_low = 4;
  put(made, index_at, index);
  const auto opened = open_bytes(std::move(made));
  CHECK(bytes_of(opened.made, slices_of(*opened.contents, opened.number("/f"), 0, 100)) == "hello");
}

TEST_CASE("ways to store chunks that the bootstrap does not tell are refused by their name") {
  for (const auto& [bit, word] :
       std::vector<std::pair<std::uint32_t, std::string>>{{blob_feature::batch, "BATCH"},
                                                          {blob_feature::encrypted, "ENCRYPTED"},
                                                          {blob_feature::zran, "ZRAN"},
                                                          {blob_feature::separate, "SEPARATE"},
                                                          {blob_feature::tarfs, "TARFS"},
                                                          {blob_feature::external, "EXTERNAL"}}) {
    auto made = make_tiny_image_v6({.entries = {{.path = "/f", .content = "hello"}}});
    auto blob = record_at<blob_entry>(made, block_size);
    blob.features = blob.features | bit;
    put(made, block_size, blob);
    const temporary_directory folder;
    const auto opened = open_image(folder.write("f", made.bootstrap));
    REQUIRE(!opened);
    CHECK(opened.error().code == errc::not_supported);
    CHECK_MESSAGE(opened.error().detail.find(word) != std::string::npos, opened.error().detail);
  }
}
