// SPDX-License-Identifier: Apache-2.0
// Cache files after kills, damage, a full disk and changes of configuration: no bit without its bytes.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <vector>

#include "storage/blob_cache_files.hpp"
#include "test/fakes/numbered_chunks.hpp"
#include "test/fakes/scratch_folder.hpp"

using namespace nydus;
using namespace nydus::fake;

TEST_SUITE_BEGIN("storage/blob_cache_recovery");

namespace {

constexpr std::uint32_t chunk_count = 64;

using files_handle = std::shared_ptr<blob_cache_files>;

files_handle open(const cache_config& config, const blob& source = numbered_blob(chunk_count)) {
  auto opened = blob_cache_files::open(config, source);
  REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().detail));
  return *opened;
}

bool store(const files_handle& files, std::uint32_t index) {
  const auto bytes = bytes_of(index);
  return bool{files->store(chunk_at(index), bytes, bytes)};
}

/// How many chunks are kept; each of them must have its bytes.
std::uint32_t count_right(const files_handle& files) {
  std::uint32_t kept = 0;
  std::vector<std::byte> found(chunk_bytes);
  for (std::uint32_t i = 0; i < chunk_count; ++i)
    if (files->is_kept(chunk_at(i))) {
      ++kept;
      REQUIRE(files->file()->read(files->offset_of(chunk_at(i)), found));
      REQUIRE(found == bytes_of(i));
    }
  return kept;
}

} // namespace

TEST_CASE("a data file that is not what the bits speak of takes them with it") {
  const no_fd_leak guard;
  const scratch_folder folder;
  const auto config = files_in(folder.path());
  {
    const auto files = open(config);
    for (std::uint32_t i = 0; i < chunk_count; ++i)
      REQUIRE(store(files, i));
  }
  SUBCASE("cut short") {
    std::filesystem::resize_file(folder / "blob.blob.data", chunk_bytes);
  }
  SUBCASE("grown") {
    std::filesystem::resize_file(folder / "blob.blob.data", 1 << 20);
  }
  SUBCASE("gone") {
    std::filesystem::remove(folder / "blob.blob.data");
  }
  SUBCASE("empty: its maker was killed") {
    std::filesystem::resize_file(folder / "blob.blob.data", 0);
  }
  const auto files = open(config);
  CHECK(count_right(files) == 0);
  CHECK(store(files, 5));
  CHECK(count_right(open(config)) == 1);
}

TEST_CASE("a cache that changes between plain and compressed starts anew each time") {
  const no_fd_leak guard;
  const scratch_folder folder;
  const auto plain = files_in(folder.path());
  auto compressed = plain;
  compressed.keep_compressed = true;
  auto first = open(plain);
  REQUIRE(store(first, 1));
  auto second = open(compressed);
  CHECK(count_right(second) == 0);
  REQUIRE(store(second, 2));
  CHECK(second->is_kept(chunk_at(2)));
  CHECK(!second->is_servable(chunk_at(2))); // its bytes have to be decoded
  CHECK(std::filesystem::exists(folder / "blob.blob.raw"));
  CHECK(!std::filesystem::exists(folder / "blob.blob.data"));
  CHECK(std::filesystem::exists(folder / "blob.blob.data.chunk_map"));
  CHECK(count_right(first) == 1); // who has the old ones open goes on with them
  REQUIRE(store(first, 3));
  CHECK(count_right(first) == 2);
  CHECK(count_right(second) == 1);
  CHECK(count_right(open(plain)) == 0);
}

TEST_CASE("two daemons that open, damage and fill one folder at once never have a bit without its bytes") {
  const scratch_folder folder;
  for (int round = 0; round < 10; ++round) {
    std::vector<pid_t> children;
    for (int which = 0; which < 2; ++which) {
      const auto child = ::fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        auto source = numbered_blob(chunk_count);
        if ((round + which) % 3 == 0)
          source.uncompressed_size += chunk_bytes; // sees the other's file as one of a wrong size
        int wrong = 0;
        for (std::uint32_t i = 0; i < 20; ++i) {
          auto files = blob_cache_files::open(files_in(folder.path()), source);
          if (!files) {
            ++wrong;
            continue;
          }
          const auto index = (i * 5 + static_cast<std::uint32_t>(which)) % chunk_count;
          wrong += store(*files, index) ? 0 : 1;
          std::vector<std::byte> found(chunk_bytes);
          for (std::uint32_t k = 0; k < chunk_count; ++k)
            if ((*files)->is_servable(chunk_at(k)))
              wrong += (*files)->file()->read(std::uint64_t{k} * chunk_bytes, found) && found == bytes_of(k)
                           ? 0
                           : 1;
        }
        ::_exit(wrong == 0 ? 0 : 1);
      }
      children.push_back(child);
    }
    for (const auto child : children) {
      int status = 0;
      ::waitpid(child, &status, 0);
      CHECK(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == 0);
    }
    (void) count_right(open(files_in(folder.path())));
  }
}

TEST_CASE("a kill at any point of opening, replacing and storing leaves no bit without its bytes") {
  const scratch_folder folder;
  std::uint32_t kept = 0;
  for (int round = 0; round < 40; ++round) {
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto config = files_in(folder.path());
      for (std::uint32_t i = 0;; ++i) {
        config.keep_compressed = i % 7 == 6; // removes and makes the files
        if (auto files = blob_cache_files::open(config, numbered_blob(chunk_count)))
          for (std::uint32_t k = 0; k < 20; ++k)
            (void) store(*files, (i * 20 + k) % chunk_count);
      }
    }
    ::usleep(static_cast<useconds_t>(500 + 331 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    auto config = files_in(folder.path());
    config.keep_compressed = std::filesystem::exists(folder / "blob.blob.raw"); // as the child had it
    kept += count_right(open(config));
    CHECK(std::distance(std::filesystem::directory_iterator{folder.path()}, {}) <= 3);
  }
  CHECK(kept > 0); // else nothing was looked at
}

TEST_CASE("on a full disk chunks are refused with no_space and have no bit; others stay") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: only root can mount a small disk");
    return;
  }
  const scratch_folder folder;
  if (::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
    MESSAGE("skipped: no tmpfs can be mounted here: " << std::strerror(errno));
    return;
  }
  SUBCASE("that fills up while it is used") {
    const auto files = open(files_in(folder.path()));
    std::uint32_t stored = 0;
    errc why = errc::none;
    for (std::uint32_t i = 0; i < chunk_count; ++i) {
      const auto outcome = files->store(chunk_at(i), {}, bytes_of(i));
      stored += outcome ? 1 : 0;
      if (!outcome)
        why = outcome.error().code;
    }
    CHECK(stored > 0);
    CHECK(stored < chunk_count);
    CHECK(why == errc::no_space);
    CHECK(files->is_full());
    CHECK(count_right(files) == stored);
    CHECK(count_right(open(files_in(folder.path()))) == stored);
  }
  SUBCASE("that is full when the cache is opened") {
    std::ofstream{folder / "filler"} << std::string(1 << 20, 'x');
    const auto files = open(files_in(folder.path())); // the map has no room, so its bits live in memory
    CHECK(!store(files, 0));
    CHECK(count_right(files) == 0);
    std::filesystem::remove(folder / "filler");
    CHECK(files->is_full());
    CHECK(store(files, 0));
    CHECK(!files->is_full());
    CHECK(count_right(files) == 1);
    CHECK(count_right(open(files_in(folder.path()))) == 0);
  }
  REQUIRE(::umount2(folder.path().c_str(), MNT_DETACH) == 0);
}

TEST_CASE("beyond the limit of a file's size chunks are refused and have no bit") {
  const scratch_folder folder;
  const auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    auto files = blob_cache_files::open(files_in(folder.path()), numbered_blob(chunk_count));
    const rlimit limit{10 * chunk_bytes + 100, 10 * chunk_bytes + 100}; // in the middle of a chunk
    int wrong = !files || ::setrlimit(RLIMIT_FSIZE, &limit) != 0 ? 1 : 0;
    for (std::uint32_t i = 0; wrong == 0 && i < chunk_count; ++i)
      if (store(*files, i) != (i < 10) || (*files)->is_servable(chunk_at(i)) != (i < 10))
        wrong = 2;
    ::_exit(wrong);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(count_right(open(files_in(folder.path()))) == 10);
}

TEST_CASE("a chunk that lies outside the cache file, or has other bytes than it says, is not kept") {
  const scratch_folder folder;
  const auto files = open(files_in(folder.path()));
  auto outside = chunk_at(3);
  outside.uncompressed_offset = std::uint64_t{chunk_count} * chunk_bytes - 1;
  CHECK(files->store(outside, {}, bytes_of(3)).error().code == errc::corrupt);
  outside.uncompressed_offset = ~0ull - 10;
  CHECK(files->store(outside, {}, bytes_of(3)).error().code == errc::corrupt);
  CHECK(!files->store(chunk_at(3), {}, std::vector<std::byte>(chunk_bytes - 1)));
  CHECK(!files->is_kept(chunk_at(3)));
  CHECK(std::filesystem::file_size(folder / "blob.blob.data") == std::uint64_t{chunk_count} * chunk_bytes);
}

TEST_CASE("chunks without numbers are kept for as long as the process lives") {
  const scratch_folder folder;
  auto source = numbered_blob(chunk_count);
  source.chunk_count = 0;
  source.uncompressed_size = source.compressed_size = 0; // nothing is known, as in the images of 2020
  {
    const auto files = open(files_in(folder.path()), source);
    CHECK(!files->is_servable(chunk_at(3)));
    CHECK(store(files, 3));
    CHECK(files->is_servable(chunk_at(3)));
    CHECK(!files->is_servable(chunk_at(4)));
    CHECK(files->present_count() == 1);
    CHECK(count_right(files) == 1);
  }
  CHECK(!std::filesystem::exists(folder / "blob.blob.data.chunk_map"));
  CHECK(!open(files_in(folder.path()), source)->is_servable(chunk_at(3)));
  source.has_data_digests = false; // legacy gzip: all its chunks claim one place in the file
  const auto files = open(files_in(folder.path()), source);
  CHECK(files->store(chunk_at(3), {}, bytes_of(3)).error().code == errc::not_supported);
  CHECK(!files->is_servable(chunk_at(3)));
}

TEST_CASE("without a chunk map bits live in memory, and what an earlier process kept is not trusted") {
  const scratch_folder folder;
  auto config = files_in(folder.path());
  config.disable_chunk_map = true;
  {
    const auto files = open(config);
    CHECK(store(files, 3));
    CHECK(files->is_servable(chunk_at(3)));
  }
  CHECK(!std::filesystem::exists(folder / "blob.blob.data.chunk_map"));
  CHECK(!open(config)->is_kept(chunk_at(3)));
}

TEST_CASE("a blob id or folder that cannot be is refused, and nothing is made outside") {
  const scratch_folder folder;
  auto source = numbered_blob(chunk_count);
  for (const std::string id : {"", "../out", "a/b"}) {
    source.id = id;
    CHECK(blob_cache_files::open(files_in(folder / "cache"), source).error().code == errc::malformed);
  }
  CHECK(!std::filesystem::exists(folder / "cache"));
  write_file(folder / "file", "");
  const auto refused = blob_cache_files::open(files_in(folder / "file"), numbered_blob(chunk_count));
  REQUIRE(!refused);
  CHECK(refused.error().detail.find(folder / "file") != std::string::npos);
  source = numbered_blob(chunk_count);
  source.uncompressed_size = ~0ull;
  CHECK(blob_cache_files::open(files_in(folder.path()), source).error().code == errc::malformed);
}
