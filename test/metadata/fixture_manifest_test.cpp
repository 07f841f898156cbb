// SPDX-License-Identifier: Apache-2.0
// Images that the public builder made, compared entry by entry with what their mount must show.
#include <doctest/doctest.h>
#include <sys/sysmacros.h>
#include <zlib.h>

#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "metadata/image.hpp"
#include "test/fakes/fixtures.hpp"
#include "test/fakes/image_walk.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("metadata/fixture_manifest");

namespace {

using manifest_entry = std::map<std::string, std::string>; // key -> value, as text; xattrs as "xattr NAME"

/// Reads the one-line objects of a manifest: strings of bytes below U+0100, integers, [int, int] and {"name":
/// "value"}.
class manifest_line {
public:
  explicit manifest_line(const std::string& line) : line_(line) {}

  manifest_entry read() {
    manifest_entry entry;
    read_object(entry, "");
    return entry;
  }

private:
  void read_object(manifest_entry& entry, const std::string& prefix) {
    REQUIRE(line_.at(at_++) == '{');
    while (line_.at(at_) != '}') {
      const auto key = prefix + text();
      skip(": ");
      if (line_.at(at_) == '"')
        entry[key] = text();
      else if (line_.at(at_) == '{')
        read_object(entry, key + " ");
      else
        entry[key] = until(line_.at(at_) == '[' ? "]" : ",}");
      skip("], ");
    }
    ++at_;
  }
  void skip(const char* any) {
    while (line_.find_first_of(any, at_) == at_)
      ++at_;
  }
  std::string until(const char* any) {
    const auto start = at_;
    at_ = line_.find_first_of(any, at_);
    return line_.substr(start, at_ - start);
  }
  std::string text() {
    std::string bytes;
    for (++at_; line_.at(at_) != '"'; ++at_) {
      if (line_[at_] != '\\') {
        bytes += line_[at_];
        continue;
      }
      static const std::map<char, char> escapes{
          {'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'b', '\b'}, {'f', '\f'}};
      const char kind = line_.at(++at_);
      if (kind == 'u') {
        bytes += static_cast<char>(std::stoul(line_.substr(at_ + 1, 4), nullptr, 16));
        at_ += 4;
      } else {
        bytes += escapes.contains(kind) ? escapes.at(kind) : kind;
      }
    }
    ++at_;
    return bytes;
  }

  const std::string& line_;
  std::size_t at_ = 0;
};

std::map<std::string, manifest_entry> read_manifest(const std::string& path) {
  std::string text;
  const auto file = ::gzopen(path.c_str(), "rb");
  REQUIRE(file != nullptr);
  char buffer[65536];
  for (int size; (size = ::gzread(file, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(size));
  ::gzclose(file);
  std::map<std::string, manifest_entry> entries;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    auto entry = manifest_line{line}.read();
    const auto entry_path = entry.at("path");
    entry.erase("path");
    entries[entry_path] = std::move(entry);
  }
  return entries;
}

/// What the manifest would say of an entry of the image, but for its content.
manifest_entry shown(const image& opened, const inode_attributes& attributes) {
  manifest_entry entry;
  std::ostringstream mode;
  mode << "0o" << std::oct << attributes.mode;
  entry["mode"] = mode.str();
  entry["uid"] = std::to_string(attributes.uid);
  entry["gid"] = std::to_string(attributes.gid);
  entry["mtime"] =
      std::to_string(attributes.modified_seconds * 1'000'000'000 + attributes.modified_nanoseconds);
  const auto type = attributes.mode & 0170000;
  if (type != 0040000)
    entry["nlink"] = std::to_string(attributes.link_count);
  if (type == 0100000)
    entry["size"] = std::to_string(attributes.size);
  if (type == 0120000)
    entry["target"] = *opened.symlink_target(attributes.number);
  if (type == 0020000 || type == 0060000)
    entry["rdev"] =
        "[" + std::to_string(major(attributes.device)) + ", " + std::to_string(minor(attributes.device));
  CHECK(opened.list_xattrs(attributes.number, [&](auto name, auto value) {
    entry["xattr " + std::string{name}] = value;
    CHECK(*opened.xattr(attributes.number, name) == value);
  }));
  return entry;
}

std::string slurp(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// SHA-256 of a file whose chunks are stored as they are.
std::string content_digest(const image& opened, const std::string& blob_directory, inode_number file,
                           std::uint64_t size) {
  static std::map<std::string, std::string> blobs;
  std::vector<chunk_slice> slices;
  REQUIRE(opened.slices(file, 0, size, slices));
  digest_stream content{digester::sha256};
  for (const auto& slice : slices) {
    const auto& id = opened.blobs()[slice.source.blob_index].id;
    auto& blob = blobs[id];
    if (blob.empty())
      blob = slurp(blob_directory + "/" + id);
    REQUIRE(!slice.source.is_compressed);
    content.update(
        std::as_bytes(std::span{blob}).subspan(slice.source.compressed_offset + slice.offset, slice.size));
  }
  return to_hex(content.finish());
}

void compare(const std::string& folder, const std::string& name, const std::string& manifest_name) {
  CAPTURE(name);
  const auto opened = open_image(folder + "/made/" + name + ".boot");
  REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().detail));
  auto expected = read_manifest(folder + "/made/" + manifest_name);
  std::vector<failure> failures;
  const auto found = walk_image(**opened, failures);
  CHECK(failures.empty());
  CHECK(found.size() == expected.size());
  for (const auto& one : found) {
    const auto& path = one.first;
    const auto& attributes = one.second;
    CAPTURE(path);
    REQUIRE(expected.contains(path));
    auto& entry = expected.at(path);
    if ((*opened)->description().compression == compressor::none && entry.contains("sha256"))
      CHECK(content_digest(**opened, folder + "/made/blobs", attributes.number, attributes.size) ==
            entry.at("sha256"));
    entry.erase("sha256");
    CHECK(shown(**opened, attributes) == entry);
    CHECK((*opened)->verify(attributes.number));
  }
  CHECK((*opened)->verify((*opened)->description().root));
}

/// Entries of a .result file: path -> type, then target for links.
std::map<std::string, std::string> read_result(const std::string& path) {
  std::map<std::string, std::string> entries;
  std::ifstream file{path};
  std::vector<std::string> prefixes;
  const auto value = [](const std::string& line, const std::string& key) -> std::string {
    const auto start = line.find("\"" + key + "\":\"");
    if (start == std::string::npos)
      return {};
    const auto from = start + key.size() + 4;
    return line.substr(from, line.find('"', from) - from);
  };
  for (std::string line; std::getline(file, line);) {
    const auto type = value(line, "type");
    if (line.find("]}") != std::string::npos && type.empty() && !prefixes.empty())
      prefixes.pop_back();
    if (type.empty() || type == "report")
      continue;
    const auto entry_path = prefixes.empty() ? "" : prefixes.back() + value(line, "name");
    if (!prefixes.empty())
      entries[entry_path] = type + (type == "link" ? " " + value(line, "target") : "");
    if (type == "directory")
      prefixes.push_back(entry_path.empty() ? "" : entry_path + "/");
  }
  return entries;
}

} // namespace

TEST_CASE("the made images show what their manifests say") {
  const auto folder = fixtures();
  if (folder.empty())
    return;
  compare(folder, "v5-none-aligned-prefetch", "tree.manifest.gz");
  compare(folder, "v5-lz4_block-blake3", "tree.manifest.gz");
  compare(folder, "v5-zstd-sha256-4k", "tree.manifest.gz");
  compare(folder, "v5-layered-upper", "layered.manifest.gz");
  for (const auto* name : {"v6-none", "v6-zstd", "v6-lz4_block-sha256-64k"})
    compare(folder, name, "tree.manifest.gz");
  compare(folder, "v6-layered-upper", "layered.manifest.gz");
}

TEST_CASE("the images of 2020 and 2022 show the trees that their results say") {
  const auto folder = fixtures();
  if (folder.empty())
    return;
  for (const auto* year : {"rafs-v5-2020", "rafs-v5"})
    for (const auto* name : {"blake3-lz4_block-non_repeatable", "sha256-nocompress-repeatable"}) {
      CAPTURE(year);
      CAPTURE(name);
      const auto path = folder + "/" + year + "/" + name;
      const auto opened = open_image(path);
      REQUIRE(opened);
      std::vector<failure> failures;
      const auto walked = walk_image(**opened, failures);
      std::map<std::string, std::string> found;
      for (const auto& [entry_path, attributes] : walked) {
        const auto type = attributes.mode & 0170000;
        found[entry_path] = type == 0040000 ? "directory"
                            : type == 0120000
                                ? "link " + std::string{*(*opened)->symlink_target(attributes.number)}
                                : "file";
        CHECK((*opened)->verify(attributes.number));
      }
      CHECK(failures.empty());
      CHECK(found.size() == 53);
      CHECK(found == read_result(path + ".result"));
      // hardlink-test's two files and one in the other folder are one inode
      CHECK(walked.at("hardlink-test/foo").number == walked.at("normal-file-test/test.sh").number);
      CHECK(walked.at("hardlink-test/foo").link_count == 3);
      CHECK(walked.at("hardlink-test/foo").size == 944);
    }
}

TEST_CASE("published digests and places are found in the images of 2022") {
  const auto folder = fixtures();
  if (folder.empty())
    return;
  const auto opened = open_image(folder + "/rafs-v5/sha256-nocompress-repeatable");
  REQUIRE(opened);
  std::vector<chunk_slice> slices;
  REQUIRE((*opened)->slices(inode_number{20}, 0, 1'415'680, slices));
  REQUIRE(slices.size() == 2);
  CHECK(slices[0].source.index == 6);
  CHECK(slices[0].source.compressed_offset == 0xf47);
  CHECK(slices[1].source.compressed_offset == 0x100f47);
  CHECK(slices[1].size == 0x59a00);
  CHECK((*opened)->blobs()[0].chunk_count == 23);
  CHECK((*opened)->blobs()[0].compressed_size == 3'508'766);
}

TEST_CASE("the prefetch list of an image made with one names the file") {
  const auto folder = fixtures();
  if (folder.empty())
    return;
  const auto opened = open_image(folder + "/made/v5-none-aligned-prefetch.boot");
  REQUIRE(opened);
  const auto list = (*opened)->prefetch_list();
  REQUIRE(list.size() == 1);
  const auto special = (*opened)->lookup((*opened)->description().root, "special");
  REQUIRE(special);
  CHECK((*opened)->lookup(special->number, "big-text")->number == list[0]);
}
