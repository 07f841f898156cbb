// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v5/tables.hpp"

#include <doctest/doctest.h>

#include <cstring>

#include "test/fakes/tiny_image.hpp"

using namespace nydus;
using namespace nydus::rafs_v5;

TEST_SUITE_BEGIN("metadata/rafs_v5/tables");

namespace {

/// Superblock, one slot, then these tables; no records.
std::string image_with(std::string_view blob_table, const std::vector<extended_blob>& extensions = {}) {
  superblock head{};
  head.magic = magic;
  head.fs_version = version;
  head.sb_size = superblock_size;
  head.block_size = 0x1000;
  head.flags = superblock_flag::compression_zstd | superblock_flag::hash_sha256;
  head.inode_table_offset = superblock_size;
  head.inode_table_entries = 1;
  head.blob_table_offset = superblock_size + 8;
  head.blob_table_size = static_cast<std::uint32_t>(blob_table.size());
  const auto extension_offset = superblock_size + 8 + align8(blob_table.size());
  head.extended_blob_table_offset = extensions.empty() ? 0 : extension_offset;
  head.extended_blob_table_entries = static_cast<std::uint32_t>(extensions.size());
  std::string image{reinterpret_cast<const char*>(&head), sizeof head};
  image.resize(superblock_size + 8);
  image += blob_table;
  image.resize(extension_offset);
  for (const auto& extension : extensions)
    image.append(reinterpret_cast<const char*>(&extension), sizeof extension);
  return image;
}

result<std::vector<blob>> read(const std::string& image, const std::string& name = "name.boot") {
  const auto bytes = std::as_bytes(std::span{image});
  const auto checked = check(bytes);
  REQUIRE_MESSAGE(checked, (checked ? "" : checked.error().detail));
  return read_blobs(*checked, bytes, name);
}

const std::string places(8, '\0'); // an entry's readahead fields

std::string one_id(const std::string& id) {
  return places + id;
}

extended_blob extension(std::uint32_t chunk_count, std::uint32_t features, std::uint64_t plain,
                        std::uint64_t stored) {
  extended_blob entry{};
  entry.chunk_count = chunk_count;
  entry.features = features;
  entry.uncompressed_size = plain;
  entry.compressed_size = stored;
  return entry;
}

} // namespace

TEST_CASE("ids are read up to NUL or the end of the table, padding is none") {
  using namespace std::string_literals;
  const auto blobs = read(image_with(one_id("first"s + '\0') + one_id("second") + "\0\0\0"s));
  REQUIRE(blobs);
  REQUIRE(blobs->size() == 2);
  CHECK((*blobs)[0].id == "first");
  CHECK((*blobs)[1].id == "second");
  CHECK((*blobs)[1].compression == compressor::zstd);
  CHECK((*blobs)[1].digests == digester::sha256);
  CHECK((*blobs)[1].chunk_size == 0x1000);
  CHECK(!(*blobs)[1].has_chunk_index());
  CHECK(read(image_with(""))->empty());
  CHECK(read(image_with(places))->empty());
}

TEST_CASE("an id that is no file name is refused") {
  using namespace std::string_literals;
  for (const auto& id :
       {"\0"s, "a/b"s, "/"s, "../x"s, "."s, ".."s, std::string(256, 'a'), "\x01"s, "a\nb"s, "\x7f"s, "\xff"s,
        "\xc3"s, "\xc3("s, "\x80"s, "\xe6\x97"s, "\xc0\xaf"s, "\xf5\x80\x80\x80"s}) {
    CAPTURE(id);
    const auto blobs = read(image_with(one_id(id)));
    REQUIRE(!blobs);
    CHECK(blobs.error().code == errc::corrupt);
  }
}

TEST_CASE("an id may be any UTF-8 file name") {
  for (const auto& id : std::vector<std::string>{"a", "sha256:abc", "my blob", "\xe6\x97\xa5\xf0\x9f\x90\xb3",
                                                 "...", std::string(200, 'a')}) {
    const auto blobs = read(image_with(one_id(id)));
    REQUIRE(blobs);
    CHECK((*blobs)[0].id == id);
  }
}

TEST_CASE("a table of very many blobs is refused before it takes the memory") {
  std::string table;
  for (int i = 0; i < 5000; ++i)
    table += one_id("a") + '\0';
  CHECK(!read(image_with(table)));
}

TEST_CASE("the extended table tells sizes; an entry without chunks tells none") {
  const auto blobs = read(image_with(one_id("first") + '\0' + one_id("second"),
                                     {extension(3, 0x40000000, 12288, 77), extension(0, 0, 99, 99)}));
  REQUIRE(blobs);
  CHECK((*blobs)[0].chunk_count == 3);
  CHECK((*blobs)[0].features == 0x40000000);
  CHECK((*blobs)[0].uncompressed_size == 12288);
  CHECK((*blobs)[0].compressed_size == 77);
  CHECK(!(*blobs)[1].has_chunk_index());
  CHECK((*blobs)[1].uncompressed_size == 0);
  CHECK((*blobs)[1].compressed_size == 0);
}

TEST_CASE("an extended table that is too short or lies about sizes is refused") {
  const auto two = one_id("first") + '\0' + one_id("second");
  CHECK(!read(image_with(two, {extension(1, 0, 1, 1)})));
  for (const auto& entry :
       {extension(3, 0, 12289, 1), extension(0xffffffff, 0, 1, 1), extension(0x1000000, 0, 1, 1),
        extension(1, 0, ~std::uint64_t{0}, 1), extension(1, 0, 1, ~std::uint64_t{0})}) {
    const auto blobs = read(image_with(one_id("first"), {entry}));
    REQUIRE(!blobs);
    CHECK(blobs.error().detail.find("blob 0") != std::string::npos);
  }
}

TEST_CASE("a blob that holds its bootstrap is named after the bootstrap's file") {
  const std::string placeholder(64, 'x');
  const auto inlined = extension(1, 0x50000002, 1, 1);
  CHECK((*read(image_with(one_id(placeholder), {inlined}), "abc.image.boot"))[0].id == "abc");
  CHECK((*read(image_with(one_id(placeholder), {inlined}), "abc"))[0].id == "abc");
  CHECK((*read(image_with(one_id("other"), {inlined}), "abc.boot"))[0].id == "abc");
  CHECK((*read(image_with(one_id(placeholder)), "abc.boot"))[0].id == "abc"); // before features were written
  CHECK((*read(image_with(one_id("other"), {extension(1, 0x2 | 0x10, 1, 1)}), "abc.boot"))[0].id == "other");
  CHECK(!read(image_with(one_id(placeholder), {inlined}), ""));
  CHECK(!read(image_with(one_id(placeholder), {inlined}), ".."));
}

TEST_CASE("the prefetch list ends at its first zero") {
  auto image = make_tiny_image({.entries = {{.path = "/a", .content = "x"}, {.path = "/b", .content = "y"}},
                                .prefetch = {"/b", "/a", "/b"}})
                   .bootstrap;
  const auto bytes = std::as_bytes(std::span{image});
  const auto checked = check(bytes);
  REQUIRE(checked);
  using numbers = std::vector<inode_number>;
  CHECK(read_prefetch_list(*checked, bytes) == numbers{inode_number{3}, inode_number{2}, inode_number{3}});
  std::memset(image.data() + checked->fields().prefetch_table_offset + 4, 0, 4);
  CHECK(read_prefetch_list(*checked, bytes) == numbers{inode_number{3}});
}
