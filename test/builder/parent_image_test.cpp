// SPDX-License-Identifier: Apache-2.0
// A parent bootstrap with hostile values: the build is refused with a reason, or what it writes is an image
// that passes every check. Never a crash (run under sanitizers) or a loop.
#include <doctest/doctest.h>

#include <cstring>
#include <span>

#include "builder/build_log.hpp"
#include "test/fakes/built_image.hpp"
#include "test/fakes/tiny_image.hpp"
#include "test/fakes/tiny_image_v6.hpp"

using namespace nydus;
using namespace nydus::builder;

namespace {

/// The image that is to be the parent: a directory, files, links, an attribute.
tiny_image parent() {
  tiny_image wanted;
  wanted.entries = {{"/d/file", 0100644, std::string(5000, 'f')},
                    {"/d/small", 0100755, "small"},
                    {"/d/symlink", 0120777, "file"},
                    {"/e/below/file", 0100600, "below"}};
  tiny_entry marked{"/marked", 0100644, "marked"};
  marked.xattrs = {{"user.one", "1"}, {"user.two", "22"}};
  wanted.entries.push_back(marked);
  tiny_entry link{"/z"};
  link.hard_link_to = "/marked";
  wanted.entries.push_back(link);
  return wanted;
}

struct rafs_v5_parent {
  static constexpr std::uint32_t version = 5;
  static tiny_image_bytes make() { return make_tiny_image(parent()); }
};
struct rafs_v6_parent {
  static constexpr std::uint32_t version = 6;
  static tiny_image_bytes make() { return make_tiny_image_v6(parent()); }
};

build_settings over(const scratch_folder& folder) {
  auto settings = settings_in(folder);
  settings.chunk_size = 4096;
  settings.compression = compressor::none;
  settings.parent_bootstrap = folder / "parent";
  settings.thread_count = 1;
  return settings;
}

} // namespace

TEST_SUITE_BEGIN("builder/parent_image");

TEST_CASE_TEMPLATE("all of a parent shows through an empty layer", format, rafs_v5_parent, rafs_v6_parent) {
  const scratch_folder folder;
  const auto made = format::make();
  auto settings = over(folder);
  settings.format_version = format::version;
  write_file(settings.parent_bootstrap, made.bootstrap);
  write_file(settings.blob_directory + "/" + made.blob_id, made.blob);
  build(settings);
  const auto lower = contents_of(*opened(settings.parent_bootstrap), settings.blob_directory);
  const auto both = opened(settings.bootstrap);
  CHECK(contents_of(*both, settings.blob_directory) == lower);
  const auto marked = both->lookup(both->description().root, "marked");
  REQUIRE(marked);
  CHECK(marked->link_count == 2);
  CHECK(*both->xattr(marked->number, "user.two") == "22");
}

TEST_CASE_TEMPLATE("whatever stands in a parent, a build over it fails with a reason or gives a valid image",
                   format, rafs_v5_parent, rafs_v6_parent) {
  const scratch_folder folder;
  REQUIRE(start_log(log_level::error, ""));
  const auto made = format::make();
  auto settings = over(folder);
  settings.format_version = format::version;
  write_file(settings.source + "/upper", "upper");
  std::filesystem::create_directory(settings.source + "/d");
  write_file(settings.source + "/d/small", "replaced");
  std::size_t refused = 0, accepted = 0;
  const auto try_with = [&](const std::string& bytes, std::size_t offset) {
    write_file(settings.parent_bootstrap, bytes);
    const auto built = build_image(settings, {});
    if (!built) {
      CHECK_FALSE(built.error().detail.empty());
      ++refused;
      return;
    }
    ++accepted;
    const auto checked = check_image(settings.bootstrap, {});
    CHECK_MESSAGE(checked, "byte " << offset << ": " << (checked ? "" : checked.error().detail));
  };
  constexpr std::uint32_t words[] = {0, 1, 0x80000000, 0xffffffff};
  const auto pair = [&](std::size_t offset) { return std::span{words}.subspan(offset / 12 % 3, 2); };
  for (std::size_t offset = 0; offset + 4 <= made.bootstrap.size(); offset += 12) {
    if (made.bootstrap.find_first_not_of('\0', offset) > offset + 128)
      continue; // reserved, or padding
    for (const auto word : pair(offset)) {
      auto bytes = made.bootstrap;
      std::memcpy(bytes.data() + offset, &word, sizeof word);
      try_with(bytes, offset);
    }
  }
  for (std::size_t size = 0; size < made.bootstrap.size();
       size += size < 8192 ? 1024 : made.bootstrap.size() / 400)
    try_with(made.bootstrap.substr(0, size), size);
  CHECK(refused > 150);
  CHECK(accepted > 150);
}

TEST_CASE("directories that contain each other are no endless tree") {
  const scratch_folder folder;
  auto made = make_tiny_image(parent());
  const auto settings = over(folder);
  // The children of /e/below become those of /e: it contains itself.
  rafs_v5::inode outer, inner;
  std::memcpy(&outer, made.bootstrap.data() + made.records.at("/e"), sizeof outer);
  auto* at = made.bootstrap.data() + made.records.at("/e/below");
  std::memcpy(&inner, at, sizeof inner);
  inner.child_index = outer.child_index;
  inner.child_count = outer.child_count;
  std::memcpy(at, &inner, sizeof inner);
  write_file(settings.parent_bootstrap, made.bootstrap);
  const auto built = build_image(settings, {});
  REQUIRE_FALSE(built);
  CHECK(built.error().code == errc::corrupt);
}

TEST_CASE("a link shows what the record of its number holds, whatever its own says") {
  const scratch_folder folder;
  auto made = make_tiny_image(parent());
  const auto settings = over(folder);
  // Behind name (8 bytes) and attributes (8 for their size, 29 padded to 32).
  const auto chunk = made.records.at("/z") + sizeof(rafs_v5::inode) + 8 + 8 + 32;
  made.bootstrap[chunk + offsetof(rafs_v5::chunk_record, uncompressed_offset) + 3] = '\x7f';
  write_file(settings.parent_bootstrap, made.bootstrap);
  write_file(settings.blob_directory + "/" + made.blob_id, made.blob);
  write_file(settings.source + "/.wh.marked", ""); // the first link goes away
  build(settings);
  const auto read = opened(settings.bootstrap);
  CHECK(contents_of(*read, settings.blob_directory).at("z") == "marked");
}
