// SPDX-License-Identifier: Apache-2.0
#include "storage/blob_cache_files.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "test/fakes/numbered_chunks.hpp"
#include "test/fakes/scratch_folder.hpp"

using namespace nydus;
using namespace nydus::fake;

TEST_SUITE_BEGIN("storage/blob_cache_files");

namespace {

cache_config in(const scratch_folder& folder) {
  return files_in(folder / "made/when/missing");
}

std::string map_path(const cache_config& config) {
  return config.work_directory + "/blob.blob.data.chunk_map";
}

} // namespace

TEST_CASE("a stored chunk is present for this process, for a second one and after a restart") {
  const scratch_folder folder;
  auto first = blob_cache_files::open(in(folder), numbered_blob(20));
  auto second = blob_cache_files::open(in(folder), numbered_blob(20));
  REQUIRE(first);
  REQUIRE(second);
  CHECK(!(*first)->is_servable(chunk_at(3)));
  CHECK((*first)->store(chunk_at(3), {}, bytes_of(3)));
  for (auto* files : {&*first, &*second}) {
    CHECK((*files)->is_servable(chunk_at(3)));
    CHECK(!(*files)->is_servable(chunk_at(4)));
    std::vector<std::byte> read(chunk_bytes);
    CHECK((*files)->file()->read(3 * chunk_bytes, read));
    CHECK(read == bytes_of(3));
  }
  first->reset();
  second->reset();
  auto again = blob_cache_files::open(in(folder), numbered_blob(20));
  REQUIRE(again);
  CHECK((*again)->is_servable(chunk_at(3)));
  CHECK((*again)->present_count() == 1);
}

TEST_CASE("the chunk map has the published layout") {
  const scratch_folder folder;
  auto files = blob_cache_files::open(in(folder), numbered_blob(20));
  REQUIRE(files);
  REQUIRE((*files)->store(chunk_at(3), {}, bytes_of(3)));
  std::ifstream map{map_path(in(folder)), std::ios::binary};
  const std::vector<char> bytes{std::istreambuf_iterator<char>{map}, {}};
  REQUIRE(bytes.size() == 4096 + 3);
  CHECK(std::string{bytes.data(), 4} == "PAMB");
  CHECK(bytes[4] == 1);
  CHECK(std::string{bytes.data() + 8, 4} == "PAMC");
  CHECK(bytes[4096] == 0x10); // chunk 3: most significant bit first
}

TEST_CASE("bits do not outlive the bytes they speak of") {
  const scratch_folder folder;
  const auto config = in(folder);
  {
    auto files = blob_cache_files::open(config, numbered_blob(20));
    REQUIRE(files);
    REQUIRE((*files)->store(chunk_at(3), {}, bytes_of(3)));
  }
  const auto data = config.work_directory + "/blob.blob.data";
  SUBCASE("the data file is gone") {
    std::filesystem::remove(data);
  }
  SUBCASE("the data file is empty") {
    std::filesystem::resize_file(data, 0);
  }
  SUBCASE("the data file is of another size") {
    std::filesystem::resize_file(data, 21 * chunk_bytes);
  }
  SUBCASE("the map is cut short") {
    std::filesystem::resize_file(map_path(config), 100);
  }
  SUBCASE("the map is of another size") {
    std::filesystem::resize_file(map_path(config), 5000);
  }
  SUBCASE("the map has no magic") {
    std::fstream map{map_path(config), std::ios::binary | std::ios::in | std::ios::out};
    map.write("XXXX", 4);
  }
  auto files = blob_cache_files::open(config, numbered_blob(20));
  REQUIRE(files);
  CHECK(!(*files)->is_servable(chunk_at(3)));
  CHECK((*files)->store(chunk_at(3), {}, bytes_of(3)));
  CHECK((*files)->is_servable(chunk_at(3)));
}

TEST_CASE("what another process cached is served only after a check, if that is asked") {
  const scratch_folder folder;
  auto config = in(folder);
  REQUIRE((*blob_cache_files::open(config, numbered_blob(20)))->store(chunk_at(3), {}, bytes_of(3)));
  config.recheck_cached = true;
  auto files = blob_cache_files::open(config, numbered_blob(20));
  REQUIRE(files);
  CHECK((*files)->is_kept(chunk_at(3)));
  CHECK(!(*files)->is_servable(chunk_at(3)));
  (*files)->mark_checked(chunk_at(3));
  CHECK((*files)->is_servable(chunk_at(3)));
}

TEST_CASE("a process killed while it stores leaves no bit without its bytes") {
  const scratch_folder folder;
  constexpr std::uint32_t count = 4000;
  for (int round = 0; round < 5; ++round) {
    const auto child = ::fork();
    if (child == 0) {
      auto files = blob_cache_files::open(in(folder), numbered_blob(count));
      for (std::uint32_t i = 0; files && i < count; ++i)
        (void) (*files)->store(chunk_at((i * 7 + static_cast<std::uint32_t>(round)) % count), {},
                               bytes_of((i * 7 + static_cast<std::uint32_t>(round)) % count));
      ::_exit(0);
    }
    ::usleep(1000 + 1500 * round);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    auto files = blob_cache_files::open(in(folder), numbered_blob(count));
    REQUIRE(files);
    std::vector<std::byte> read(chunk_bytes);
    for (std::uint32_t i = 0; i < count; ++i)
      if ((*files)->is_servable(chunk_at(i))) {
        REQUIRE((*files)->file()->read(std::uint64_t{i} * chunk_bytes, read));
        REQUIRE(read == bytes_of(i));
      }
  }
}

TEST_CASE("a map that is cut short while it is used reads as empty and kills nobody") {
  const scratch_folder folder;
  auto files = blob_cache_files::open(in(folder), numbered_blob(100'000));
  REQUIRE(files);
  REQUIRE((*files)->store(chunk_at(90'000), {}, bytes_of(0)));
  std::filesystem::resize_file(map_path(in(folder)), 0);
  CHECK(!(*files)->is_servable(chunk_at(90'000)));
}
