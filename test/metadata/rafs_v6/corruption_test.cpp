// SPDX-License-Identifier: Apache-2.0
// Each field of each record of an image, set to hostile values: the image is refused, or some answers fail
// with a reason, or nothing changes; never a crash (run under sanitizers), a loop or an answer that lies
// outside its bounds.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "metadata/chunk_record.hpp"
#include "test/fakes/opened_tiny_image.hpp"
#include "test/fakes/spoiled_image.hpp"
#include "test/fakes/tiny_image_v6.hpp"

using namespace nydus;
using namespace nydus::rafs_v6;

TEST_SUITE_BEGIN("metadata/rafs_v6/corruption");

namespace {

const std::vector<field> superblock_fields{
    FIELD(superblock, magic),           FIELD(superblock, checksum),
    FIELD(superblock, feature_compat),  FIELD(superblock, block_bits),
    FIELD(superblock, extension_slots), FIELD(superblock, root_nid),
    FIELD(superblock, inode_count),     FIELD(superblock, metadata_block),
    FIELD(superblock, xattr_block),     FIELD(superblock, feature_incompat),
    FIELD(superblock, extra_devices),   FIELD(superblock, device_slot),
};
const std::vector<field> extended_fields{
    FIELD(extended_superblock, flags),
    FIELD(extended_superblock, blob_table_offset),
    FIELD(extended_superblock, blob_table_size),
    FIELD(extended_superblock, chunk_size),
    FIELD(extended_superblock, chunk_table_offset),
    FIELD(extended_superblock, chunk_table_size),
    FIELD(extended_superblock, prefetch_table_offset),
    FIELD(extended_superblock, prefetch_table_size),
};
const std::vector<field> blob_fields{
    FIELD(blob_entry, blob_index),
    FIELD(blob_entry, chunk_size),
    FIELD(blob_entry, chunk_count),
    FIELD(blob_entry, compression),
    FIELD(blob_entry, digests),
    FIELD(blob_entry, features),
    FIELD(blob_entry, compressed_size),
    FIELD(blob_entry, uncompressed_size),
    FIELD(blob_entry, chunk_infos_offset),
    FIELD(blob_entry, chunk_infos_compressed_size),
    FIELD(blob_entry, chunk_infos_uncompressed_size),
};
const std::vector<field> inode_fields{
    FIELD(extended_inode, format), FIELD(extended_inode, xattr_count), FIELD(extended_inode, mode),
    FIELD(extended_inode, size),   FIELD(extended_inode, location),    FIELD(extended_inode, uid),
    FIELD(extended_inode, mtime),  FIELD(extended_inode, mtime_nsec),  FIELD(extended_inode, link_count),
};
const std::vector<field> chunk_fields{
    FIELD(chunk_record, blob_index),
    FIELD(chunk_record, flags),
    FIELD(chunk_record, compressed_size),
    FIELD(chunk_record, uncompressed_size),
    FIELD(chunk_record, compressed_offset),
    FIELD(chunk_record, uncompressed_offset),
    FIELD(chunk_record, index),
};

tiny_image_bytes good() {
  return make_tiny_image_v6({.entries = {{.path = "/a",
                                          .content = std::string(4096, 'a') + std::string(4096, 'b') + "c",
                                          .xattrs = {{"user.x", "y"}, {"trusted.z", ""}}},
                                         {.path = "/b", .hard_link_to = "/a"},
                                         {.path = "/d/e/f", .content = "f"},
                                         {.path = "/d/link", .mode = 0120777, .content = "../a"},
                                         {.path = "/null", .mode = 0020666, .device = 0x103}},
                             .prefetch = {"/d", "/a"}});
}

std::uint64_t chunk_table_in(const tiny_image_bytes& image) {
  extended_superblock head;
  std::memcpy(&head, image.bootstrap.data() + extended_superblock_offset, sizeof head);
  return head.chunk_table_offset;
}

template <class Ask>
void inode_fails(const std::string& path, std::size_t offset, std::size_t size, std::uint64_t value,
                 const std::string& word, Ask ask) {
  check_fails(good(), path, offset, size, value, word, ask);
}

constexpr auto attributes = [](const image& opened, inode_number inode) { return opened.attributes(inode); };
constexpr auto bytes = [](const image& opened, inode_number inode) {
  std::vector<chunk_slice> slices;
  return opened.slices(inode, 0, 1 << 20, slices);
};
constexpr auto xattrs = [](const image& opened, inode_number inode) {
  return opened.list_xattrs(inode, [](auto, auto) {});
};
constexpr auto listing = [](const image& opened, inode_number inode) {
  return opened.list(inode, 0, [](const directory_entry&) { return true; });
};

} // namespace

TEST_CASE("an unharmed image can be walked and read") {
  const auto opened = open_bytes(good());
  std::vector<failure> failures;
  const auto found = walk_image(*opened.contents, failures);
  CHECK(failures.empty());
  CHECK(found.size() == 7);
  for (const auto& [path, attributes] : found)
    CHECK(opened->verify(attributes.number));
}

TEST_CASE("no value of a field of the superblocks or of a blob does harm") {
  CHECK(attack(good(), superblock_offset, superblock_fields) > 200);
  CHECK(attack(good(), extended_superblock_offset, extended_fields) > 150);
  CHECK(attack(good(), block_size, blob_fields) > 100);
}

TEST_CASE("no value of an inode field does harm") {
  const auto image = good();
  for (const auto& one : image.records) {
    CAPTURE(one.first);
    CHECK(attack(image, one.second, inode_fields) > 20);
  }
}

TEST_CASE("no value of a chunk's record or index does harm") {
  const auto image = good();
  for (std::size_t k = 0; k < 4; ++k)
    CHECK(attack(image, chunk_table_in(image) + k * sizeof(chunk_record), chunk_fields) > 50);
  const auto indexes = image.records.at("/d/e/f") + sizeof(extended_inode);
  CHECK(attack(image, indexes,
               {FIELD(chunk_index, index_low), FIELD(chunk_index, device), FIELD(chunk_index, index_high),
                FIELD(chunk_index, block)}) > 50);
}

TEST_CASE("no single changed byte does harm") {
  const auto image = good();
  const temporary_directory folder;
  for (std::size_t at = superblock_offset; at < image.bootstrap.size(); ++at) {
    const bool is_padding = image.bootstrap.compare(at, 64, std::string(64, '\0')) == 0;
    if (is_padding && at % 61 != 0)
      continue;
    CAPTURE(at);
    outcome(folder, with_changed_byte(image.bootstrap, at));
  }
}

TEST_CASE("each broken rule of an inode is told by the field's name") {
  inode_fails("/a", offsetof(extended_inode, format), 2, 0x11, "i_format", attributes);
  inode_fails("/a", offsetof(extended_inode, format), 2, 0x1, "i_format", attributes);
  inode_fails("/d", offsetof(extended_inode, format), 2, 0x9, "i_format", attributes);
  inode_fails("/d", offsetof(extended_inode, mode), 2, 0, "i_mode", attributes);
  inode_fails("/d", offsetof(extended_inode, link_count), 4, 0, "i_nlink", attributes);
  inode_fails("/a", offsetof(extended_inode, size), 8, ~std::uint64_t{0}, "i_size", attributes);
  inode_fails("/a", offsetof(extended_inode, size), 8, 1 << 30, "cut short", attributes);
  inode_fails("/a", offsetof(extended_inode, size), 8, 8195, "holds 1 bytes", bytes);
  inode_fails("/a", offsetof(extended_inode, location), 4, 0, "chunk format", attributes);
  inode_fails("/a", offsetof(extended_inode, xattr_count), 2, 0xffff, "xattrs are cut short", attributes);
  inode_fails("/d/link", offsetof(extended_inode, size), 8, 0, "i_size", attributes);
  inode_fails("/d/link", offsetof(extended_inode, size), 8, 4097, "i_size", attributes);
  const auto entries = sizeof(extended_inode) + sizeof(xattr_header);
  inode_fails("/a", sizeof(extended_inode) + offsetof(xattr_header, shared_count), 1, 1, "h_shared_count",
              attributes);
  inode_fails("/a", entries + offsetof(xattr_entry, name_index), 1, 5, "e_name_index", xattrs);
  inode_fails("/a", entries + offsetof(xattr_entry, name_size), 1, 0, "name", xattrs);
  inode_fails("/a", entries + offsetof(xattr_entry, value_size), 2, 0xffff, "disagree", xattrs);
  const auto names = sizeof(extended_inode);
  inode_fails("/d", names + offsetof(dirent, name_offset), 2, 0, "nameoff", listing);
  inode_fails("/d", names + offsetof(dirent, name_offset), 2, 13, "nameoff", listing);
  inode_fails("/d", names + offsetof(dirent, name_offset), 2, 4092, "nameoff", listing);
  inode_fails("/d", names + 2 * sizeof(dirent) + offsetof(dirent, name_offset), 2, 0xffff, "is said to lie",
              listing);
  inode_fails("/d", names + 4 * sizeof(dirent) + 3, 1, '/', "'/'", listing);
  inode_fails("/d", names + 4 * sizeof(dirent) + 4, 1, '\0', "NUL", listing);
  inode_fails("/d", names + 2 * sizeof(dirent), 8, 0, "RAFS v6 inode 0", listing);
  const auto index = sizeof(extended_inode);
  inode_fails("/d/e/f", index + offsetof(chunk_index, device), 1, 0, "device is 0", bytes);
  inode_fails("/d/e/f", index + offsetof(chunk_index, device), 1, 2, "device is 2", bytes);
  inode_fails("/d/e/f", index + offsetof(chunk_index, index_low), 2, 99, "no chunk 99", bytes);
  inode_fails("/d/e/f", index + offsetof(chunk_index, block), 4, 0, "its block is 0", bytes);
}

TEST_CASE("a directory is shown in its parent alone, and the root nowhere") {
  const auto image = good();
  const auto third = sizeof(extended_inode) + 2 * sizeof(dirent); // behind "." and ".."
  for (const auto* elsewhere : {"/d", "/"}) {
    CAPTURE(elsewhere);
    auto changed = image;
    put(changed.bootstrap, image.records.at("/d/e") + third, image.inode_numbers.at(elsewhere), 8);
    const auto opened = open_bytes(std::move(changed));
    const auto found = opened->lookup(opened.number("/d/e"), "f");
    REQUIRE(!found);
    CHECK_MESSAGE(found.error().detail.find("it is listed in") != std::string::npos, found.error().detail);
    CHECK(!opened->list(opened.number("/d/e"), 0, [](const directory_entry&) { return true; }));
  }
}
