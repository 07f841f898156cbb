// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "builder/build_log.hpp"
#include "test/fakes/built_image.hpp"

using namespace nydus;
using namespace nydus::builder;
namespace fs = std::filesystem;

namespace {

using contents = std::map<std::string, std::string>;

std::string noise(std::size_t size, unsigned seed) {
  std::mt19937 random{seed};
  std::string bytes(size, '\0');
  for (auto& byte : bytes)
    byte = static_cast<char>(random());
  return bytes;
}

contents make_source(const scratch_folder& folder) {
  fs::create_directories(folder / "source/d/e/f");
  const auto source = folder / "source/";
  contents files{{"empty", ""},
                 {"one", "1"},
                 {"text", std::string(300000, 'a') + noise(5000, 1) + std::string(100000, 'b')},
                 {"noise", noise(70000, 2)},
                 {"d/copy", noise(70000, 2)},
                 {"d/zeros", std::string(40000, '\0')},
                 {"d/\xff\xfe\n", "odd name"},
                 {"d/" + std::string(255, 'n'), "long name"}};
  for (const auto& [path, bytes] : files)
    write_file(source + path, bytes);
  REQUIRE(::symlink("../one", (source + "d/link").c_str()) == 0);
  REQUIRE(::symlink("loop", (source + "loop").c_str()) == 0);
  REQUIRE(::link((source + "noise").c_str(), (source + "d/hard").c_str()) == 0);
  REQUIRE(::mkfifo((source + "pipe").c_str(), 0600) == 0);
  files["d/link"] = "->../one";
  files["loop"] = "->loop";
  files["d/hard"] = files["noise"];
  for (const char* name : {"pipe", "d", "d/e", "d/e/f"})
    files[name] = "";
  return files;
}

struct rafs_v5_images {
  static constexpr std::uint32_t version = 5;
};
struct rafs_v6_images {
  static constexpr std::uint32_t version = 6;
};

template <class Images>
build_settings settings_for(const scratch_folder& folder) {
  auto settings = settings_in(folder);
  settings.format_version = Images::version;
  return settings;
}

std::size_t entries_in(const std::string& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator{folder}, fs::directory_iterator{}));
}

} // namespace

TEST_SUITE_BEGIN("builder/image_builder");

TEST_CASE_TEMPLATE("an image holds its source, whatever it is built with", images, rafs_v5_images,
                   rafs_v6_images) {
  const scratch_folder folder;
  const no_fd_leak guard;
  const auto wanted = make_source(folder);
  for (const auto compression : {compressor::none, compressor::lz4_block, compressor::zstd})
    for (const auto digests : {digester::blake3, digester::sha256})
      for (const std::uint32_t chunk_size : {0x1000u, 0x100000u, 0x1000000u})
        for (const bool is_aligned : {false, true}) {
          auto settings = settings_for<images>(folder);
          settings.compression = compression;
          settings.digests = digests;
          settings.chunk_size = chunk_size;
          settings.has_aligned_chunks = is_aligned;
          const auto built = build(settings);
          const auto read = opened(settings.bootstrap);
          CHECK(contents_of(*read, settings.blob_directory) == wanted);
          CHECK(read->description().compression == compression);
          CHECK(read->description().digests == digests);
          CHECK(read->description().chunk_size == chunk_size);
          REQUIRE(built.blob_ids.size() == 1);
          CHECK(read_file(built.blob_path).size() == read->blobs()[0].file_size);
          const auto blob = read_file(built.blob_path);
          CHECK(built.blob_ids[0] == to_hex(digest_of(digester::sha256, std::as_bytes(std::span{blob}))));
        }
}

TEST_CASE_TEMPLATE("the number of threads changes no byte", images, rafs_v5_images, rafs_v6_images) {
  const scratch_folder folder;
  make_source(folder);
  auto settings = settings_for<images>(folder);
  settings.chunk_size = 0x1000;
  std::string wanted;
  for (const unsigned threads : {1u, 2u, 7u}) {
    settings.thread_count = threads;
    build(settings);
    const auto bootstrap = read_file(settings.bootstrap);
    CHECK(bootstrap == (wanted.empty() ? bootstrap : wanted));
    wanted = bootstrap;
  }
  CHECK(entries_in(settings.blob_directory) == 1);
}

TEST_CASE_TEMPLATE("aligned chunks begin at multiples of 4 KiB in the cache file and nowhere else", images,
                   rafs_v5_images, rafs_v6_images) {
  const scratch_folder folder;
  make_source(folder);
  auto settings = settings_for<images>(folder);
  settings.has_aligned_chunks = true;
  build(settings);
  const auto read = opened(settings.bootstrap);
  std::vector<failure> failures;
  std::vector<chunk_slice> slices;
  for (const auto& [path, attributes] : walk_image(*read, failures))
    if (S_ISREG(attributes.mode))
      REQUIRE(read->slices(attributes.number, 0, attributes.size, slices));
  REQUIRE(!slices.empty());
  for (const auto& slice : slices)
    CHECK(slice.source.uncompressed_offset % 4096 == 0);
  CHECK(read->blobs()[0].uncompressed_size % 4096 == 0);
}

TEST_CASE_TEMPLATE("a tree without data has no blob, and an older blob of that name goes away", images,
                   rafs_v5_images, rafs_v6_images) {
  const scratch_folder folder;
  auto settings = settings_for<images>(folder);
  write_file(folder / "source/empty", "");
  settings.blob = folder / "blob";
  write_file(settings.blob, "of an older build");
  const auto built = build(settings);
  CHECK(built.blob_ids.empty());
  CHECK(built.blob_path.empty());
  CHECK_FALSE(fs::exists(settings.blob));
  CHECK(opened(settings.bootstrap)->blobs().empty());
}

TEST_CASE_TEMPLATE("blobs and bootstraps in a directory are named by their SHA-256, a given id names a blob",
                   images, rafs_v5_images, rafs_v6_images) {
  const scratch_folder folder;
  auto settings = settings_for<images>(folder);
  write_file(settings.source + "/file", "content");
  settings.bootstrap.clear();
  settings.blob_id = "layer-1";
  const auto built = build(settings);
  CHECK(built.blob_path == settings.blob_directory + "/layer-1");
  const auto bootstrap = read_file(built.bootstrap_path);
  CHECK(built.bootstrap_path == settings.blob_directory + "/" +
                                    to_hex(digest_of(digester::sha256, std::as_bytes(std::span{bootstrap}))));
  CHECK(opened(built.bootstrap_path)->blobs()[0].id == "layer-1");
}

TEST_CASE_TEMPLATE("a bootstrap inside its blob is found there", images, rafs_v5_images, rafs_v6_images) {
  const scratch_folder folder;
  const auto wanted = make_source(folder);
  auto settings = settings_for<images>(folder);
  settings.bootstrap.clear();
  settings.has_inlined_bootstrap = true;
  const auto built = build(settings);
  CHECK(built.bootstrap_path.empty());
  CHECK(entries_in(settings.blob_directory) == 1);
  const auto read = opened(built.blob_path);
  CHECK(read->blobs()[0].id == built.blob_ids[0]); // by the name of the file
  CHECK(contents_of(*read, settings.blob_directory) == wanted);
}

TEST_CASE_TEMPLATE("an upper layer stores only what the lower one lacks, and hides what it says is gone",
                   images, rafs_v5_images, rafs_v6_images) {
  const scratch_folder folder;
  auto wanted = make_source(folder);
  auto settings = settings_for<images>(folder);
  settings.chunk_size = 0x1000;
  const auto lower = build(settings);

  fs::remove_all(folder / "source");
  fs::create_directories(folder / "source/d/e");
  write_file(folder / "source/.wh.text", "");
  write_file(folder / "source/d/.wh.hard", "");
  write_file(folder / "source/d/e/.wh..wh..opq", "");
  write_file(folder / "source/one", "another one");
  write_file(folder / "source/again", noise(70000, 2)); // all its chunks are in the lower blob
  for (const char* gone : {"text", "d/hard", "d/e/f"})
    wanted.erase(gone);
  wanted["one"] = "another one";
  wanted["again"] = noise(70000, 2);

  settings.parent_bootstrap = settings.bootstrap;
  settings.bootstrap = folder / "upper";
  const auto upper = build(settings);
  REQUIRE(upper.blob_ids.size() == 2);
  CHECK(upper.blob_ids[0] == lower.blob_ids[0]);
  CHECK(upper.uncompressed_size == 11); // "another one"
  const auto read = opened(settings.bootstrap);
  CHECK(contents_of(*read, settings.blob_directory) == wanted);
  const auto attributes = read->lookup(read->description().root, "noise");
  REQUIRE(attributes);
  CHECK(attributes->link_count == 1); // its other link is gone
}

TEST_CASE_TEMPLATE("chunks of a dictionary are referred to, not stored", images, rafs_v5_images,
                   rafs_v6_images) {
  const scratch_folder folder;
  const auto wanted = make_source(folder);
  auto settings = settings_for<images>(folder);
  const auto first = build(settings);
  settings.chunk_dictionary = settings.bootstrap;
  settings.bootstrap = folder / "second";
  write_file(folder / "source/more", "that the dictionary lacks");
  const auto second = build(settings);
  REQUIRE(second.blob_ids.size() == 2);
  CHECK(second.uncompressed_size == 25);
  CHECK(std::count(second.blob_ids.begin(), second.blob_ids.end(), first.blob_ids[0]) == 1);
  auto all = wanted;
  all["more"] = "that the dictionary lacks";
  CHECK(contents_of(*opened(settings.bootstrap), settings.blob_directory) == all);
}

TEST_CASE("prefetched files lie at the head of the blob") {
  const scratch_folder folder;
  make_source(folder);
  auto settings = settings_in(folder);
  settings.compression = compressor::none;
  settings.prefetch = prefetch_policy::fs;
  auto built = build(settings, "/one\n/d/zeros\n");
  CHECK(read_file(built.blob_path).substr(0, 101) == "1" + std::string(100, '\0'));
  const auto read = opened(settings.bootstrap);
  CHECK(read->prefetch_list().size() == 2);
  CHECK(read->blobs()[0].readahead_size == 0);

  settings.prefetch = prefetch_policy::blob;
  build(settings, "/one\n/d/zeros\n");
  CHECK(opened(settings.bootstrap)->prefetch_list().empty());
  CHECK(opened(settings.bootstrap)->blobs()[0].readahead_size == 40001);
}

TEST_CASE("prefetched files are listed by their places in RAFS v6") {
  const scratch_folder folder;
  make_source(folder);
  auto settings = settings_for<rafs_v6_images>(folder);
  settings.compression = compressor::none;
  settings.prefetch = prefetch_policy::fs;
  const auto built = build(settings, "/one\n/d/zeros\n");
  CHECK(read_file(built.blob_path).substr(0, 101) == "1" + std::string(100, '\0'));
  const auto read = opened(settings.bootstrap);
  const auto one = read->lookup(read->description().root, "one");
  REQUIRE(one);
  REQUIRE(read->prefetch_list().size() == 2);
  CHECK(read->prefetch_list()[0] == one->number);
}

TEST_CASE(
    "a directory of many blocks, names that come before dots and attributes of all kinds fit into RAFS v6") {
  const scratch_folder folder;
  auto settings = settings_for<rafs_v6_images>(folder);
  contents wanted;
  for (int i = 0; i < 1000; ++i)
    wanted["many/" + std::string(static_cast<std::size_t>(1 + i % 250), 'n') + std::to_string(i)] = "";
  for (const char* name : {"many/!", "many/-x", "many/...", "many/.-"})
    wanted[name] = "";
  fs::create_directories(folder / "source/many");
  for (const auto& [name, bytes] : wanted)
    write_file(folder / "source/" + name, bytes);
  const std::string last = folder / "source/many/!";
  const std::string value(3000, 'v');
  REQUIRE(::setxattr(last.c_str(), "user.x", value.data(), value.size(), 0) == 0);
  REQUIRE(::setxattr(last.c_str(), "trusted.y", "", 0, 0) == 0);
  wanted["many"] = "";
  build(settings);
  const auto read = opened(settings.bootstrap);
  CHECK(contents_of(*read, settings.blob_directory) == wanted);
  const auto many = read->lookup(read->description().root, "many");
  REQUIRE(many);
  const auto file = read->lookup(many->number, "!");
  REQUIRE(file);
  CHECK(*read->xattr(file->number, "user.x") == value);
  CHECK(*read->xattr(file->number, "trusted.y") == "");
}

TEST_CASE_TEMPLATE("a failed build names the cause and leaves nothing", images, rafs_v5_images,
                   rafs_v6_images) {
  const scratch_folder folder;
  make_source(folder);
  const auto refused = [&](const build_settings& settings, const std::string& word) {
    const auto built = build_image(settings, {});
    REQUIRE_FALSE(built);
    CHECK_MESSAGE(built.error().detail.find(word) != std::string::npos, built.error().detail);
    CHECK(entries_in(folder / "blobs") == 0);
    CHECK_FALSE(fs::exists(folder / "boot"));
  };
  const auto settings = settings_for<images>(folder);
  auto wrong = settings;
  wrong.source = folder / "nothing";
  refused(wrong, "nothing: No such file");
  wrong.source = folder / "source/one";
  refused(wrong, "is no directory");
  wrong = settings;
  wrong.blob_directory = folder / "missing";
  refused(wrong, "make it first");
  wrong = settings;
  wrong.bootstrap = folder / "missing/boot";
  refused(wrong, "make it first");
  wrong = settings;
  wrong.output_json = folder / "missing/report";
  refused(wrong, "make it first");
  wrong = settings;
  wrong.parent_bootstrap = folder / "source/noise";
  refused(wrong, "invalid RAFS superblock");
  wrong.parent_bootstrap = folder / "no-parent";
  refused(wrong, "no-parent: No such file");
  wrong = settings;
  wrong.chunk_dictionary = folder / "no-dictionary";
  refused(wrong, "no-dictionary: No such file");
}

TEST_CASE_TEMPLATE("a parent that was built otherwise is refused with what has to agree", images,
                   rafs_v5_images, rafs_v6_images) {
  const scratch_folder folder;
  make_source(folder);
  auto settings = settings_for<images>(folder);
  build(settings);
  settings.parent_bootstrap = settings.bootstrap;
  settings.bootstrap = folder / "upper";
  const auto refused = [&](const build_settings& wrong, const std::string& option) {
    const auto built = build_image(wrong, {});
    REQUIRE_FALSE(built);
    CHECK(built.error().code == errc::not_supported);
    CHECK_MESSAGE(built.error().detail.find(option) != std::string::npos, built.error().detail);
  };
  auto wrong = settings;
  wrong.chunk_size = 0x1000;
  refused(wrong, "--chunk-size 1048576");
  wrong = settings;
  wrong.compression = compressor::none;
  refused(wrong, "--compressor zstd");
  wrong = settings;
  wrong.digests = digester::sha256;
  refused(wrong, "--digester blake3");
  wrong = settings;
  wrong.is_repeatable = true;
  refused(wrong, "--repeatable");
  wrong = settings;
  wrong.format_version = 11 - images::version;
  refused(wrong, "--fs-version " + std::to_string(images::version));
}

TEST_CASE_TEMPLATE("outputs inside the source are no part of the image", images, rafs_v5_images,
                   rafs_v6_images) {
  const scratch_folder folder;
  auto settings = settings_for<images>(folder);
  write_file(settings.source + "/file", "content");
  settings.blob_directory = settings.source;
  settings.bootstrap = settings.source + "/boot";
  build(settings);
  CHECK(contents_of(*opened(settings.bootstrap), settings.blob_directory) == contents{{"file", "content"}});
}

TEST_CASE_TEMPLATE("repeatable images have no owners", images, rafs_v5_images, rafs_v6_images) {
  const scratch_folder folder;
  auto settings = settings_for<images>(folder);
  write_file(settings.source + "/file", "content");
  build(settings);
  CHECK(opened(settings.bootstrap)->description().has_explicit_owners);
  settings.is_repeatable = true;
  build(settings);
  CHECK_FALSE(opened(settings.bootstrap)->description().has_explicit_owners);
}
