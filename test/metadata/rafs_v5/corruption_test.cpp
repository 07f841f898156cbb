// SPDX-License-Identifier: Apache-2.0
// Each field of each record of an image, set to hostile values: the image is refused, or some answers fail
// with a reason, or nothing changes; never a crash (run under sanitizers), a loop or an answer that lies
// outside its bounds.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "metadata/image.hpp"
#include "test/fakes/image_walk.hpp"
#include "test/fakes/spoiled_image.hpp"
#include "test/fakes/tiny_image.hpp"

using namespace nydus;
using namespace nydus::rafs_v5;

TEST_SUITE_BEGIN("metadata/rafs_v5/corruption");

namespace {

const std::vector<field> superblock_fields{
    FIELD(superblock, magic),
    FIELD(superblock, fs_version),
    FIELD(superblock, sb_size),
    FIELD(superblock, block_size),
    FIELD(superblock, flags),
    FIELD(superblock, inodes_count),
    FIELD(superblock, inode_table_offset),
    FIELD(superblock, prefetch_table_offset),
    FIELD(superblock, blob_table_offset),
    FIELD(superblock, inode_table_entries),
    FIELD(superblock, prefetch_table_entries),
    FIELD(superblock, blob_table_size),
    FIELD(superblock, extended_blob_table_entries),
    FIELD(superblock, extended_blob_table_offset),
};
const std::vector<field> inode_fields{
    FIELD(inode, parent),    FIELD(inode, number),       FIELD(inode, uid),         FIELD(inode, gid),
    FIELD(inode, project),   FIELD(inode, mode),         FIELD(inode, size),        FIELD(inode, blocks),
    FIELD(inode, flags),     FIELD(inode, link_count),   FIELD(inode, child_index), FIELD(inode, child_count),
    FIELD(inode, name_size), FIELD(inode, symlink_size), FIELD(inode, device),      FIELD(inode, mtime_nsec),
    FIELD(inode, mtime),
};
const std::vector<field> chunk_fields{
    FIELD(chunk_record, blob_index),        FIELD(chunk_record, flags),
    FIELD(chunk_record, compressed_size),   FIELD(chunk_record, uncompressed_size),
    FIELD(chunk_record, compressed_offset), FIELD(chunk_record, uncompressed_offset),
    FIELD(chunk_record, file_offset),       FIELD(chunk_record, index),
};
const std::vector<field> extended_fields{
    FIELD(extended_blob, chunk_count),
    FIELD(extended_blob, features),
    FIELD(extended_blob, uncompressed_size),
    FIELD(extended_blob, compressed_size),
};

tiny_image_bytes good() {
  return make_tiny_image(
      {.entries = {{.path = "/a",
                    .content = std::string(10'000, 'a'),
                    .xattrs = {{"user.x", "y"}, {"user.z", ""}}},
                   {.path = "/b", .hard_link_to = "/a"},
                   {.path = "/d/e/f", .content = "f"},
                   {.path = "/d/link", .mode = 0120777, .content = "../a"},
                   {.path = "/d/sparse", .extents = {{5000, "s"}, {9000, "t"}}, .sparse_size = 20'000},
                   {.path = "/null", .mode = 0020666, .device = 0x103}},
       .prefetch = {"/d", "/a"}});
}

template <class Ask>
void inode_fails(const std::string& path, std::size_t offset, std::size_t size, std::uint64_t value,
                 const std::string& word, Ask ask) {
  check_fails(good(), path, offset, size, value, word, ask);
}

constexpr auto attributes_of = [](const image& opened, inode_number inode) {
  return opened.attributes(inode);
};
constexpr auto slices_of = [](const image& opened, inode_number inode) {
  std::vector<chunk_slice> slices;
  return opened.slices(inode, 0, 1 << 20, slices);
};

} // namespace

TEST_CASE("an unharmed image answers every question") {
  const temporary_directory folder;
  const auto image = good();
  const auto opened = open_image(folder.write("f", image.bootstrap));
  REQUIRE(opened);
  const auto failures = ask_everything(**opened);
  // Inodes 0 and one behind the last do not exist, and empty names have no attribute.
  for (const auto& why : failures)
    CHECK_MESSAGE((why.code == errc::not_found || why.code == errc::no_attribute), why.detail);
}

TEST_CASE("no value of a superblock field does harm") {
  CHECK(attack(good(), 0, superblock_fields) > 200);
}

TEST_CASE("no value of an inode field does harm") {
  const auto image = good();
  for (const auto& one : image.records) {
    CAPTURE(one.first);
    CHECK(attack(image, one.second, inode_fields) > 50);
  }
}

TEST_CASE("no value of a chunk field does harm") {
  const auto image = good();
  const auto a = image.records.at("/a") + sizeof(inode) + 8 + 8 + 24; // name, xattrs
  for (std::size_t k = 0; k < 3; ++k)
    CHECK(attack(image, a + k * sizeof(chunk_record), chunk_fields) > 50);
  const auto sparse = image.records.at("/d/sparse") + sizeof(inode) + 8;
  CHECK(attack(image, sparse, chunk_fields) > 50);
}

TEST_CASE("no value of a blob's extension or of a table slot does harm") {
  const auto image = good();
  superblock head;
  std::memcpy(&head, image.bootstrap.data(), sizeof head);
  CHECK(attack(image, head.extended_blob_table_offset, extended_fields) > 20);
  CHECK(attack(image, head.prefetch_table_offset, {{"first slot", 0, 4}}) == 0);
  for (std::size_t slot = 0; slot < head.inode_table_entries; ++slot)
    CHECK(attack(image, head.inode_table_offset + 4 * slot, {{"slot", 0, 4}}) > 20);
}

TEST_CASE("no single changed byte does harm") {
  const auto image = good();
  const temporary_directory folder;
  for (std::size_t at = 0; at < image.bootstrap.size(); ++at) {
    if (at == 80)
      at = superblock_size; // nobody reads the superblock's reserve
    CAPTURE(at);
    outcome(folder, with_changed_byte(image.bootstrap, at));
  }
}

TEST_CASE("each broken rule of an inode is told by the field's name") {
  inode_fails("/d", offsetof(inode, number), 8, 0, "i_ino", attributes_of);
  inode_fails("/d", offsetof(inode, number), 8, 999, "i_ino", attributes_of);
  inode_fails("/d", offsetof(inode, number), 8, 1, "i_ino", attributes_of);
  inode_fails("/d", offsetof(inode, parent), 8, 0, "i_parent", attributes_of);
  inode_fails("/d", offsetof(inode, parent), 8, 999, "i_parent", attributes_of);
  inode_fails("/d", offsetof(inode, parent), 8, 7, "i_parent", attributes_of);
  inode_fails("/", offsetof(inode, parent), 8, 1, "i_parent", attributes_of);
  inode_fails("/", offsetof(inode, mode), 4, 0100644, "root", attributes_of);
  inode_fails("/d", offsetof(inode, link_count), 4, 0, "i_nlink", attributes_of);
  inode_fails("/d", offsetof(inode, name_size), 2, 0, "i_name_size", attributes_of);
  inode_fails("/d", offsetof(inode, name_size), 2, 256, "i_name_size", attributes_of);
  inode_fails("/d", offsetof(inode, child_index), 4, 0, "children", attributes_of);
  inode_fails("/d", offsetof(inode, child_index), 4, 0xffffffff, "children", attributes_of);
  inode_fails("/d", offsetof(inode, child_count), 4, 0xffffffff, "children", attributes_of);
  inode_fails("/d", offsetof(inode, mode), 4, 0, "i_mode", attributes_of);
  inode_fails("/a", offsetof(inode, size), 8, ~std::uint64_t{0}, "i_size", attributes_of);
  inode_fails("/a", offsetof(inode, size), 8, 20'000, "holds 1808 bytes", slices_of);
  inode_fails("/a", offsetof(inode, child_count), 4, 0xffffffff, "cut short", attributes_of);
  inode_fails("/d/link", offsetof(inode, symlink_size), 2, 0, "i_symlink_size", attributes_of);
  for (const unsigned char byte : {'/', '.', '\0'})
    inode_fails("/d", sizeof(inode), 1, byte, "name", attributes_of);
  const auto xattrs = sizeof(inode) + 8;
  inode_fails("/a", xattrs, 8, ~std::uint64_t{0}, "xattrs", attributes_of);
  inode_fails("/a", xattrs, 8, ~std::uint64_t{7}, "xattrs", attributes_of);
  inode_fails(
      "/a", xattrs + 8, 4, 0xffffffff, "xattrs disagree",
      [](const image& opened, inode_number inode) { return opened.list_xattrs(inode, [](auto, auto) {}); });
  const auto chunk = xattrs + 8 + 24;
  inode_fails("/a", chunk + offsetof(chunk_record, blob_index), 4, 1, "blob_index", slices_of);
  inode_fails("/a", chunk + offsetof(chunk_record, uncompressed_size), 4, 0, "uncompressed_size", slices_of);
  inode_fails("/a", chunk + offsetof(chunk_record, uncompressed_size), 4, 4097, "uncompressed_size",
              slices_of);
  inode_fails("/a", chunk + offsetof(chunk_record, uncompressed_size), 4, 4095, "holds 4095 bytes",
              slices_of);
  inode_fails("/a", chunk + offsetof(chunk_record, index), 4, 99, "index", slices_of);
  inode_fails("/a", chunk + offsetof(chunk_record, file_offset), 8, 1, "holds 4096 bytes from 1", slices_of);
  for (const std::uint64_t offset :
       {~std::uint64_t{0}, ~std::uint64_t{4095}, std::uint64_t{1} << 62, std::uint64_t{100'000}}) {
    inode_fails("/a", chunk + offsetof(chunk_record, compressed_offset), 8, offset, "compressed_offset",
                slices_of);
    inode_fails("/a", chunk + offsetof(chunk_record, uncompressed_offset), 8, offset, "uncompressed_offset",
                slices_of);
  }
}

TEST_CASE("a directory that is listed in two places is shown in its parent alone") {
  const auto image = good();
  auto bytes = image.bootstrap;
  // "/d" gets the range of the root's children, itself among them.
  put(bytes, image.records.at("/d") + offsetof(inode, child_index), 4, sizeof(le32));
  const temporary_directory folder;
  CHECK(outcome(folder, bytes) > 0);
  // "/d/e" is said to hold what "/d" holds: its own record comes after its first child's index
  bytes = image.bootstrap;
  put(bytes, image.records.at("/d/e") + offsetof(inode, child_index), 6, sizeof(le32));
  put(bytes, image.records.at("/d/e") + offsetof(inode, child_count), 3, sizeof(le32));
  CHECK(outcome(folder, bytes) > 0);
}

TEST_CASE("a later link that names a directory or another kind of file is refused") {
  const auto image = good();
  for (const auto* target : {"/d", "/null", "/"}) {
    auto bytes = image.bootstrap;
    put(bytes, image.records.at("/b") + offsetof(inode, number), image.inode_numbers.at(target),
        sizeof(le64));
    const temporary_directory folder;
    const auto opened = open_image(folder.write("f", bytes));
    REQUIRE(opened);
    const auto link = (*opened)->lookup(inode_number{1}, "b");
    CAPTURE(target);
    CAPTURE(static_cast<std::uint64_t>(link ? link->number : inode_number{}));
    REQUIRE(!link);
    CHECK(link.error().detail.find("no link of the same file") != std::string::npos);
  }
}
