// SPDX-License-Identifier: Apache-2.0
// Tiny images of either format, opened, and what tests ask of them.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "metadata/image.hpp"
#include "test/fakes/tiny_image.hpp"

namespace nydus {

struct opened_image {
  tiny_image_bytes made;
  std::shared_ptr<const image> contents;

  inode_number number(const std::string& path) const { return inode_number{made.inode_numbers.at(path)}; }
  inode_number root() const { return contents->description().root; }
  const image* operator->() const { return contents.get(); }
};

inline opened_image open_bytes(tiny_image_bytes made) {
  const temporary_directory folder;
  auto opened = open_image(folder.write("image.boot", made.bootstrap));
  REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().detail));
  return {std::move(made), std::move(*opened)};
}

inline std::vector<std::string> names(const image& opened, inode_number directory, std::uint64_t offset = 0) {
  std::vector<std::string> found;
  CHECK(opened.list(directory, offset, [&](const directory_entry& entry) {
    found.emplace_back(entry.name);
    return true;
  }));
  return found;
}

inline std::vector<chunk_slice> slices_of(const image& opened, inode_number file, std::uint64_t offset,
                                          std::uint64_t size) {
  std::vector<chunk_slice> slices;
  const auto cut = opened.slices(file, offset, size, slices);
  REQUIRE_MESSAGE(cut, (cut ? "" : cut.error().detail));
  return slices;
}

/// What a reader of these slices would see.
inline std::string bytes_of(const tiny_image_bytes& made, const std::vector<chunk_slice>& slices) {
  std::string bytes;
  for (const auto& slice : slices)
    bytes += slice.is_hole ? std::string(slice.size, '\0')
                           : made.blob.substr(slice.source.compressed_offset + slice.offset, slice.size);
  return bytes;
}

/// Text in which each place can be told from its neighbours.
inline std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<char>('a' + (i / 7 + i / 4096) % 26);
  return bytes;
}

} // namespace nydus
