// SPDX-License-Identifier: Apache-2.0
// Every inode and every chunk of every fixture, from bootstrap and blob to checked bytes.
#include <doctest/doctest.h>

#include <set>
#include <vector>

#include "metadata/image.hpp"
#include "storage/blob_backend.hpp"
#include "storage/chunk_decode.hpp"
#include "storage/read_plan.hpp"
#include "test/fakes/fixtures.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("storage/fixture_chunks");

namespace {

struct totals {
  std::uint64_t inodes = 0;
  std::uint64_t chunks = 0;
};

void check_file(const image& opened, blob_backend& backend, inode_number file, totals& seen) {
  std::vector<chunk_slice> slices;
  const auto cut = opened.slices(file, 0, ~std::uint64_t{0}, slices);
  REQUIRE_MESSAGE(cut, (cut ? "" : cut.error().detail));
  for (const auto& slice : slices) {
    const auto& source = opened.blobs()[slice.source.blob_index];
    owned_bytes plain{slice.source.uncompressed_size};
    backend.read({source.id, slice.source.compressed_offset, stored_size(slice.source, source)},
                 [&](result<owned_bytes> stored) {
                   REQUIRE_MESSAGE(stored, (stored ? "" : stored.error().detail));
                   const auto decoded =
                       decode_chunk(slice.source, source, stored->span(), plain.span(), true);
                   CHECK_MESSAGE(decoded, (decoded ? "" : decoded.error().detail));
                   if (slice.source.has_crc32c)
                     CHECK(check_chunk(slice.source, source, plain.span(), false));
                 });
    ++seen.chunks;
  }
}

void walk(const image& opened, blob_backend& backend, inode_number directory, totals& seen) {
  std::vector<inode_attributes> children;
  const auto listed = opened.list(directory, 0, [&](const directory_entry& entry) {
    const auto found = opened.lookup(directory, entry.name);
    CHECK(found);
    CHECK(found->number == entry.attributes.number);
    children.push_back(entry.attributes);
    return true;
  });
  REQUIRE_MESSAGE(listed, (listed ? "" : listed.error().detail));
  for (const auto& child : children) {
    ++seen.inodes;
    const auto verified = opened.verify(child.number);
    CHECK_MESSAGE(verified, (verified ? "" : verified.error().detail));
    if ((child.mode & 0170000) == 0040000)
      walk(opened, backend, child.number, seen);
    else if ((child.mode & 0170000) == 0100000)
      check_file(opened, backend, child.number, seen);
  }
}

totals check_image(const std::string& bootstrap, const std::string& blobs) {
  totals seen;
  auto opened = open_image(bootstrap);
  REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().detail));
  backend_config config;
  config.localfs.directory = blobs;
  auto backend = make_blob_backend(config);
  REQUIRE(backend);
  CHECK((*opened)->verify((*opened)->description().root));
  walk(**opened, **backend, (*opened)->description().root, seen);
  return seen;
}

} // namespace

TEST_CASE("every digest of the images of 2020 and 2022 verifies") {
  const auto folder = fixtures();
  if (folder.empty())
    return;
  for (const auto* year : {"rafs-v5-2020", "rafs-v5"})
    for (const auto* name : {"blake3-lz4_block-non_repeatable", "sha256-nocompress-repeatable"}) {
      CAPTURE(year);
      CAPTURE(name);
      const auto seen = check_image(folder + "/" + year + "/" + name, folder + "/blobs");
      CHECK(seen.inodes == 53); // 54 with the root
      CHECK(seen.chunks > 20);
    }
}

TEST_CASE("every digest of the made images verifies") {
  const auto folder = fixtures();
  if (folder.empty())
    return;
  for (const auto* name : {"v5-lz4_block-blake3", "v5-none-aligned-prefetch", "v5-zstd-sha256-4k", "v6-none",
                           "v6-zstd", "v6-lz4_block-sha256-64k"}) {
    CAPTURE(name);
    const auto seen = check_image(folder + "/made/" + name + ".boot", folder + "/made/blobs");
    CHECK(seen.inodes == 3167); // without the root
  }
  for (const auto* name : {"v5-layered-upper", "v6-layered-upper"})
    CHECK(check_image(folder + "/made/" + name + ".boot", folder + "/made/blobs").inodes == 169);
  CHECK(check_image(folder + "/made/v6-merged.boot", folder + "/made/blobs").inodes == 168); // no socket
  CHECK(check_image(folder + "/rafs-v6/rafs-v6-2.2.boot", folder + "/blobs").chunks == 2);
}

TEST_CASE(
    "an image of the unreleased layout and those whose chunks need more than the bootstrap are refused") {
  const auto folder = fixtures();
  if (folder.empty())
    return;
  const auto alpha = open_image(folder + "/rafs-v5-2020/alpha_bootstrap");
  REQUIRE(!alpha);
  CHECK(alpha.error().code == errc::corrupt);
  CHECK(alpha.error().detail.find("unreleased") != std::string::npos);
  for (const auto& [name, word] :
       {std::pair{"v6-zstd-batch", "BATCH"}, {"v6-zstd-encrypt", "ENCRYPTED"}, {"v6-targz-ref", "ZRAN"}}) {
    const auto opened = open_image(folder + "/made/" + name + ".boot");
    REQUIRE(!opened);
    CHECK(opened.error().code == errc::not_supported);
    CHECK_MESSAGE(opened.error().detail.find(word) != std::string::npos, opened.error().detail);
  }
}
