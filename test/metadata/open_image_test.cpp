// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "metadata/image.hpp"
#include "metadata/rafs_v5/layout.hpp"
#include "test/fakes/fixtures.hpp"
#include "test/fakes/image_walk.hpp"
#include "test/fakes/tiny_image.hpp"
#include "test/fakes/tiny_image_v6.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("metadata/open_image");

namespace {

/// The header that follows its bytes in a blob file with inlined bootstrap.
std::string tar_header(const std::string& name, std::size_t size) {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  char digits[12];
  std::snprintf(digits, sizeof digits, "%011zo", size);
  header.replace(124, 11, digits);
  header[156] = '0';
  header.replace(257, 7, "ustar  ");
  return header;
}

failure refused(const std::string& path) {
  const auto opened = open_image(path);
  REQUIRE(!opened);
  CHECK(opened.error().detail.find(path) != std::string::npos);
  return opened.error();
}

tiny_image one_file() {
  tiny_image wanted;
  wanted.entries = {{.path = "/file", .content = "hello"}};
  return wanted;
}

std::string read_file(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

} // namespace

TEST_CASE("what is no image is refused with the reason") {
  const temporary_directory folder;
  CHECK(refused(folder.path() + "/nothing").code == errc::not_found);
  CHECK(refused(folder.path()).code == errc::malformed);
  for (const auto size : {0, 1, 511, 512, 8191, 8192, 100'000}) {
    CAPTURE(size);
    const auto why = refused(folder.write("f", std::string(static_cast<std::size_t>(size), 'z')));
    CHECK(why.code == errc::corrupt);
    CHECK(why.detail.find("invalid RAFS superblock") != std::string::npos);
  }
}

TEST_CASE("RAFS v6 is told by its magic, also where it lies at the end of its blob") {
  const temporary_directory folder;
  std::string bytes(8192, '\0');
  bytes.replace(1024, 4, "\xe2\xe1\xf5\xe0");
  CHECK(refused(folder.write("f", bytes)).detail.find("RAFS v6 superblock") != std::string::npos);
  auto made = make_tiny_image_v6(one_file());
  for (auto at = made.bootstrap.find(made.blob_id); at != std::string::npos;
       at = made.bootstrap.find(made.blob_id))
    made.bootstrap.replace(at, 64, 64, 'x');
  const auto opened = open_image(
      folder.write("abcdef", made.blob + tar_header("image.blob", made.blob.size()) + made.bootstrap +
                                 tar_header("image.boot", made.bootstrap.size())));
  REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().detail));
  CHECK((*opened)->description().format_version == 6);
  CHECK((*opened)->blobs()[0].id == "abcdef");
  CHECK((*opened)->lookup((*opened)->description().root, "file"));
}

TEST_CASE("another version of RAFS is named in the refusal") {
  const temporary_directory folder;
  auto bytes = make_tiny_image(one_file()).bootstrap;
  bytes[5] = 4;
  CHECK(refused(folder.write("f", bytes)).detail.find("s_fs_version is 0x400") != std::string::npos);
}

TEST_CASE("the layout before the first release is refused") {
  const auto fixture = fixtures();
  if (fixture.empty())
    return;
  const auto why = refused(fixture + "/rafs-v5-2020/alpha_bootstrap");
  CHECK(why.code == errc::corrupt);
  CHECK(why.detail.find("unreleased") != std::string::npos);
}

TEST_CASE("a bootstrap at the end of its blob is found, and the blob is named after the file") {
  const temporary_directory folder;
  auto made = make_tiny_image(one_file());
  const auto id_at = made.bootstrap.find(made.blob_id);
  made.bootstrap.replace(id_at, 64, 64, 'x');
  const auto inlined = made.blob + tar_header("image.blob", made.blob.size()) + made.bootstrap +
                       tar_header("image.boot", made.bootstrap.size());
  const auto opened = open_image(folder.write("abcdef.blob.x", inlined));
  REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().detail));
  CHECK((*opened)->blobs()[0].id == "abcdef");
  CHECK((*opened)->lookup(inode_number{1}, "file"));
  CHECK((*opened)->description().metadata_size == made.bootstrap.size());

  SUBCASE("a header that promises more than there is is none") {
    CHECK(!open_image(folder.write("f", tar_header("image.boot", 513))));
    CHECK(!open_image(
        folder.write("g", tar_header("image.boot", 1) + tar_header("image.boot", 0777777777777))));
  }
  SUBCASE("a header of another name is none") {
    CHECK(!open_image(
        folder.write("f", made.blob + made.bootstrap + tar_header("image.blob", made.bootstrap.size()))));
  }
  SUBCASE("one byte less is refused") {
    CHECK(!open_image(folder.write("f", made.blob + made.bootstrap.substr(1) +
                                            tar_header("image.boot", made.bootstrap.size() - 1))));
  }
}

TEST_CASE("every length of a cut bootstrap is refused or reads with clean failures") {
  const temporary_directory folder;
  const auto whole = make_tiny_image({.entries = {{.path = "/d/file", .content = std::string(9000, 'a')},
                                                  {.path = "/link", .mode = 0120777, .content = "d/file"}}});
  CHECK(whole.bootstrap.size() % 8 == 0);
  for (std::size_t size = 8192; size < whole.bootstrap.size(); ++size) {
    const auto path = folder.write("f", whole.bootstrap.substr(0, size));
    const auto opened = open_image(path);
    if (!opened) {
      CHECK(opened.error().code == errc::corrupt);
      continue;
    }
    CHECK(size % 8 == 0);
    CHECK(!ask_everything(**opened).empty());
  }
}

TEST_CASE("an image that is cut short after it was opened answers with failures, not with a crash") {
  const temporary_directory folder;
  const auto fixture = fixtures();
  if (fixture.empty())
    return;
  const auto path = folder.write("f", read_file(fixture + "/made/v5-lz4_block-blake3.boot"));
  const auto opened = open_image(path);
  REQUIRE(opened);
  CHECK((*opened)->attributes(inode_number{3000}));
  REQUIRE(::truncate(path.c_str(), 65536) == 0);
  CHECK((*opened)->attributes(inode_number{1}));
  const auto why = (*opened)->attributes(inode_number{3000});
  REQUIRE(!why);
  CHECK(why.error().code == errc::corrupt);
  CHECK(!ask_everything(**opened).empty());
}
