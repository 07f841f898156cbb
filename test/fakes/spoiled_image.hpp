// SPDX-License-Identifier: Apache-2.0
// Images whose fields are set to hostile values: each is refused, or some answers fail with a reason, or
// nothing changes; never a crash (run under sanitizers), a loop or an answer that lies outside its bounds.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "metadata/image.hpp"
#include "protocol/bytes/little_endian.hpp"
#include "test/fakes/image_walk.hpp"
#include "test/fakes/tiny_image.hpp"

namespace nydus {

/// Of a record.
struct field {
  const char* name;
  std::size_t offset; // in its record
  std::size_t size;
};
#define FIELD(record, name)                                                                                  \
  field {                                                                                                    \
#name, offsetof(record, name), sizeof(record::name)                                                      \
  }

inline const std::vector<std::uint64_t> hostile{0,
                                                1,
                                                2,
                                                3,
                                                4,
                                                5,
                                                7,
                                                8,
                                                9,
                                                0x40,
                                                0xff,
                                                0x100,
                                                0xfff,
                                                0x1000,
                                                0x1001,
                                                0x2000,
                                                0x4000,
                                                0x6000,
                                                0x8000,
                                                0xa000,
                                                0xffff,
                                                0x10000,
                                                0xffffff,
                                                0x1000000,
                                                0x7fffffff,
                                                0x80000000,
                                                0xfffffff8,
                                                0xffffffff,
                                                0x100000000,
                                                0x7fffffffffffffff,
                                                0x8000000000000000,
                                                0xfffffffffffffff8,
                                                0xffffffffffffffff};

/// Asks everything of the image in `bytes`; checks that what succeeds keeps its promises and what fails says
/// why. Answers how many questions failed, or -1 if the image was refused.
inline int outcome(const temporary_directory& folder, const std::string& bytes) {
  const auto opened = open_image(folder.write("image.boot", bytes));
  if (!opened) {
    CHECK((opened.error().code == errc::corrupt || opened.error().code == errc::not_supported));
    CHECK(opened.error().detail.size() > 20);
    return -1;
  }
  const auto failures = ask_everything(**opened, 64);
  for (const auto& why : failures)
    if (why.code == errc::corrupt)
      CHECK(why.detail.size() > 10);
  std::vector<failure> of_walk;
  const auto entries = walk_image(**opened, of_walk, 1000);
  CHECK(entries.size() < 1000); // else the walk runs in circles
  for (const auto& [path, attributes] : entries) {
    std::vector<chunk_slice> slices;
    if ((attributes.mode & 0170000) != 0100000 || !(*opened)->slices(attributes.number, 0, 1 << 20, slices))
      continue;
    std::uint64_t total = 0;
    for (const auto& slice : slices) {
      total += slice.size;
      CHECK(slice.size > 0);
      if (slice.is_hole)
        continue;
      REQUIRE(slice.source.blob_index < (*opened)->blobs().size());
      const auto& source = (*opened)->blobs()[slice.source.blob_index];
      CHECK(std::uint64_t{slice.offset} + slice.size <= slice.source.uncompressed_size);
      CHECK(slice.source.uncompressed_size <= (*opened)->description().chunk_size);
      if (source.has_chunk_index()) {
        CHECK(slice.source.index < source.chunk_count);
        CHECK(slice.source.uncompressed_offset + slice.source.uncompressed_size <= source.uncompressed_size);
        const auto stored =
            slice.source.is_compressed ? slice.source.compressed_size : slice.source.uncompressed_size;
        if (source.compressed_size != 0 && source.compression != compressor::gzip)
          CHECK(slice.source.compressed_offset + stored <= source.compressed_size);
      }
    }
    CHECK(total == std::min<std::uint64_t>(attributes.size, 1 << 20));
  }
  return static_cast<int>(failures.size());
}

inline void put(std::string& bytes, std::size_t at, std::uint64_t value, std::size_t size) {
  const le64 word{value};
  std::memcpy(bytes.data() + at, &word, size);
}

/// With its lowest bit, its highest or all bits changed, in turn.
inline std::string with_changed_byte(std::string bytes, std::size_t at) {
  static constexpr unsigned char masks[]{0x01, 0x80, 0xff};
  bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ masks[at % 3]);
  return bytes;
}

/// Sets each field of the record at `at` to each hostile value; returns how many images were refused or
/// failed.
inline int attack(const tiny_image_bytes& image, std::size_t at, const std::vector<field>& fields) {
  const temporary_directory folder;
  const int unharmed = outcome(folder, image.bootstrap);
  int noticed = 0;
  for (const auto& one : fields)
    for (const auto value : hostile) {
      CAPTURE(one.name);
      CAPTURE(value);
      auto bytes = image.bootstrap;
      put(bytes, at + one.offset, value, one.size);
      noticed += outcome(folder, bytes) != unharmed ? 1 : 0;
    }
  return noticed;
}

/// How the image with that one value at `offset` behind the start of that path's inode fails to answer `ask`.
template <class Ask>
void check_fails(tiny_image_bytes image, const std::string& path, std::size_t offset, std::size_t size,
                 std::uint64_t value, const std::string& word, Ask ask) {
  CAPTURE(path);
  CAPTURE(word);
  put(image.bootstrap, image.records.at(path) + offset, value, size);
  const temporary_directory folder;
  const auto opened = open_image(folder.write("f", image.bootstrap));
  if (!opened) {
    CHECK_MESSAGE(opened.error().detail.find(word) != std::string::npos, opened.error().detail);
    return;
  }
  const auto answer = ask(**opened, inode_number{image.inode_numbers.at(path)});
  REQUIRE(!answer);
  CHECK(answer.error().code == errc::corrupt);
  CHECK_MESSAGE(answer.error().detail.find(word) != std::string::npos, answer.error().detail);
}

} // namespace nydus
