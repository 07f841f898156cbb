// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v5/superblock_check.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "test/fakes/tiny_image.hpp"

using namespace nydus;
using namespace nydus::rafs_v5;

TEST_SUITE_BEGIN("metadata/rafs_v5/superblock_check");

namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span{text});
}

/// A good image with one blob and all tables.
std::string good() {
  return make_tiny_image({.entries = {{.path = "/a", .content = "x"}}, .prefetch = {"/a"}}).bootstrap;
}

superblock head_of(const std::string& image) {
  superblock head;
  std::memcpy(&head, image.data(), sizeof head);
  return head;
}

/// What check() says of a good image whose superblock `change` changed.
template <class Change>
result<checked_superblock> check_changed(Change change) {
  auto image = good();
  auto head = head_of(image);
  change(head);
  std::memcpy(image.data(), &head, sizeof head);
  return check(bytes_of(image));
}

template <class Change>
void refused(const char* word, Change change) {
  CAPTURE(word);
  const auto checked = check_changed(change);
  REQUIRE(!checked);
  CHECK(checked.error().code == errc::corrupt);
  CHECK_MESSAGE(checked.error().detail.find(word) != std::string::npos, checked.error().detail);
}

constexpr auto most64 = std::numeric_limits<std::uint64_t>::max();
constexpr auto most32 = std::numeric_limits<std::uint32_t>::max();

} // namespace

TEST_CASE("a good superblock passes") {
  const auto image = good();
  const auto checked = check(bytes_of(image));
  REQUIRE(checked);
  CHECK(checked->compression() == compressor::none);
  CHECK(checked->digests() == digester::blake3);
  CHECK(checked->is_taken(0, 1));
  CHECK(checked->is_taken(8191, 1));
  CHECK(checked->is_taken(checked->fields().inode_table_offset, 1));
  CHECK(!checked->is_taken(image.size() - 8, 8));
}

TEST_CASE("each wrong field is refused by its name") {
  refused("s_magic is 0x0", [](superblock& head) { head.magic = 0; });
  refused("s_fs_version is 0x600", [](superblock& head) { head.fs_version = 0x600; });
  for (const std::uint32_t size : {0u, 8191u, 8193u, most32})
    refused("s_sb_size", [&](superblock& head) { head.sb_size = size; });
  for (const std::uint32_t size : {0u, 1u, 2048u, 4097u, 0x100001u, 0x2000000u, 0x80000000u, most32})
    refused("s_block_size", [&](superblock& head) { head.block_size = size; });
  for (int bit = 10; bit < 64; ++bit)
    if (bit < 24 || bit > 31)
      refused("s_flags", [&](superblock& head) { head.flags = head.flags | std::uint64_t{1} << bit; });
  refused("s_inodes_count", [](superblock& head) { head.inodes_count = 3; });
  refused("s_inodes_count", [](superblock& head) { head.inodes_count = most64; });
  refused("s_inodes_count", [](superblock& head) { head.inode_table_entries = 0; });
}

TEST_CASE("a table that is misaligned, outside, overflowing or in another's place is refused by its name") {
  for (const std::uint64_t offset : {std::uint64_t{8193}, most64, most64 - 7, std::uint64_t{0},
                                     std::uint64_t{8184}, std::uint64_t{1} << 40, std::uint64_t{1} << 63}) {
    CAPTURE(offset);
    refused("inode table", [&](superblock& head) { head.inode_table_offset = offset; });
    refused("blob table", [&](superblock& head) { head.blob_table_offset = offset; });
    refused("extended blob table", [&](superblock& head) { head.extended_blob_table_offset = offset; });
    refused("prefetch table", [&](superblock& head) { head.prefetch_table_offset = offset; });
  }
  refused("inode table", [](superblock& head) { head.inode_table_entries = most32; });
  refused("blob table", [](superblock& head) { head.blob_table_size = most32; });
  refused("extended blob table", [](superblock& head) { head.extended_blob_table_entries = most32; });
  refused("prefetch table", [](superblock& head) { head.prefetch_table_entries = most32; });
  refused("overlaps the inode table",
          [](superblock& head) { head.prefetch_table_offset = head.inode_table_offset; });
  refused("overlaps the inode table",
          [](superblock& head) { head.blob_table_offset = head.inode_table_offset; });
  refused("overlaps the blob table",
          [](superblock& head) { head.extended_blob_table_offset = head.blob_table_offset; });
  refused("overlaps the extended blob table",
          [](superblock& head) { head.prefetch_table_offset = head.extended_blob_table_offset + 56; });
}

TEST_CASE("the place of an empty table does not matter, but its alignment") {
  CHECK(check_changed([](superblock& head) {
    head.prefetch_table_entries = 0;
    head.prefetch_table_offset = 0;
  }));
  CHECK(!check_changed([](superblock& head) {
    head.prefetch_table_entries = 0;
    head.prefetch_table_offset = 4;
  }));
}

TEST_CASE("a length that is no multiple of 8 is refused") {
  auto image = good();
  image += "1234";
  CHECK(!check(bytes_of(image)));
  CHECK(!check(bytes_of(image).first(8191)));
  CHECK(!check({}));
}

TEST_CASE("algorithms are told from the flags in the order of the format") {
  const auto with = [](std::uint64_t flags) {
    return *check_changed([&](superblock& head) { head.flags = flags; });
  };
  CHECK(with(0).compression() == compressor::lz4_block);
  CHECK(with(0).digests() == digester::blake3);
  CHECK(with(superblock_flag::compression_gzip | superblock_flag::compression_zstd).compression() ==
        compressor::gzip);
  CHECK(with(superblock_flag::compression_zstd).compression() == compressor::zstd);
  CHECK(with(superblock_flag::compression_none | superblock_flag::compression_lz4).compression() ==
        compressor::none);
  CHECK(with(superblock_flag::hash_sha256).digests() == digester::sha256);
  CHECK(with(superblock_flag::hash_sha256 | superblock_flag::hash_blake3).digests() == digester::blake3);
  CHECK(with(0xff000000).digests() == digester::blake3); // reserved bits are let through
}
