// SPDX-License-Identifier: Apache-2.0
// Builds images in tests and reads what was built back, with the daemon's own reader and decoder.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "builder/image_builder.hpp"
#include "builder/image_check.hpp"
#include "storage/chunk_decode.hpp"
#include "test/fakes/image_walk.hpp"
#include "test/fakes/scratch_folder.hpp"

namespace nydus::builder {

/// SOURCE of `folder` to "boot" and "blobs" in it; what is left to say are the options.
inline build_settings settings_in(const scratch_folder& folder) {
  std::filesystem::create_directories(folder / "source");
  std::filesystem::create_directories(folder / "blobs");
  build_settings settings;
  settings.source = folder / "source";
  settings.blob_directory = folder / "blobs";
  settings.bootstrap = folder / "boot";
  return settings;
}

inline built_image build(const build_settings& settings, const std::string& prefetched = {}) {
  std::istringstream lines{prefetched};
  prefetch_patterns patterns;
  patterns.read(lines);
  auto built = build_image(settings, patterns);
  REQUIRE_MESSAGE(built, (built ? "" : built.error().detail));
  return std::move(*built);
}

inline std::shared_ptr<const image> opened(const std::string& bootstrap) {
  auto checked = check_image(bootstrap, {});
  REQUIRE_MESSAGE(checked, (checked ? "" : checked.error().detail));
  return *checked;
}

/// The bytes of a file of the image, each chunk decoded and its digest checked.
inline std::string content_of(const image& read, const std::string& blob_directory, inode_number file) {
  const auto attributes = read.attributes(file);
  REQUIRE(attributes);
  std::vector<chunk_slice> slices;
  REQUIRE(read.slices(file, 0, attributes->size, slices));
  std::string content;
  for (const auto& slice : slices) {
    const auto& source = read.blobs()[slice.source.blob_index];
    const auto stored = read_file(blob_directory + "/" + source.id)
                            .substr(slice.source.compressed_offset, slice.source.compressed_size);
    std::string plain(slice.source.uncompressed_size, '\0');
    const auto decoded = decode_chunk(slice.source, source, std::as_bytes(std::span{stored}),
                                      std::as_writable_bytes(std::span{plain}), true);
    REQUIRE_MESSAGE(decoded, (decoded ? "" : decoded.error().detail));
    content += plain.substr(slice.offset, slice.size);
  }
  return content;
}

/// "a/b" -> content of all regular files, "->target" of symlinks, "" of all else.
inline std::map<std::string, std::string> contents_of(const image& read, const std::string& blob_directory) {
  std::vector<failure> failures;
  std::map<std::string, std::string> contents;
  for (const auto& [path, attributes] : walk_image(read, failures)) {
    auto& content = contents[path];
    if (S_ISREG(attributes.mode))
      content = content_of(read, blob_directory, attributes.number);
    if (S_ISLNK(attributes.mode))
      content = "->" + std::string{*read.symlink_target(attributes.number)};
  }
  CHECK(failures.empty());
  return contents;
}

} // namespace nydus::builder
