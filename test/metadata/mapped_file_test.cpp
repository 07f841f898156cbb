// SPDX-License-Identifier: Apache-2.0
#include "metadata/mapped_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "protocol/bytes/mapping_guard.hpp"
#include "protocol/unique_fd.hpp"
#include "test/fakes/tiny_image.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("metadata/mapped_file");

namespace {

std::size_t open_files() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator{"/proc/self/fd"})
    ++count;
  return count;
}

/// How a child process that runs `act` ends.
template <class Act>
int status_of_child(Act act) {
  const auto child = ::fork();
  if (child == 0) {
    act();
    ::_exit(7);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

} // namespace

TEST_CASE("a file's bytes are seen, and no file stays open when it is gone") {
  const temporary_directory folder;
  const auto before = open_files();
  {
    const auto file = mapped_file::open(folder.write("f", "hello"));
    REQUIRE(file);
    REQUIRE((*file)->bytes().size() == 5);
    CHECK((*file)->bytes()[4] == std::byte{'o'});
  }
  CHECK(open_files() == before);
}

TEST_CASE("an empty file has no bytes") {
  const temporary_directory folder;
  const auto file = mapped_file::open(folder.write("f", ""));
  REQUIRE(file);
  CHECK((*file)->bytes().empty());
}

TEST_CASE("what is no regular file is refused by name") {
  const temporary_directory folder;
  const auto missing = mapped_file::open(folder.path() + "/nothing");
  REQUIRE(!missing);
  CHECK(missing.error().code == errc::not_found);
  CHECK(missing.error().detail.find("/nothing") != std::string::npos);
  const auto directory = mapped_file::open(folder.path());
  REQUIRE(!directory);
  CHECK(directory.error().code == errc::malformed);
  const auto fifo = folder.path() + "/fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(!mapped_file::open(fifo)); // and does not wait for a writer
  CHECK(!mapped_file::open("/dev/zero"));
}

namespace {

/// How many pages of a mapping lie in memory.
std::size_t pages_in_memory(std::span<const std::byte> bytes) {
  std::vector<unsigned char> pages((bytes.size() + 4095) / 4096);
  REQUIRE(::mincore(const_cast<std::byte*>(bytes.data()), bytes.size(), pages.data()) == 0);
  return static_cast<std::size_t>(
      std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; }));
}

/// A file of 4 MiB on a disk, whose pages the kernel has been asked to drop.
std::string cold_file(const temporary_directory& folder) {
  const auto path = folder.write("cold", std::string(4 << 20, 'x'));
  const unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  REQUIRE(::fsync(fd.get()) == 0);
  REQUIRE(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED) == 0);
  return path;
}

} // namespace

TEST_CASE(
    "a touch reads little of a large file, whatever the disk's read-ahead; what is expected comes at once") {
  const temporary_directory folder;
  const auto file = mapped_file::open(cold_file(folder));
  REQUIRE(file);
  const auto bytes = (*file)->bytes();
  if (pages_in_memory(bytes) != 0) {
    MESSAGE("SKIPPED: this file system keeps its files in memory");
    return;
  }
  CHECK(bytes[2 << 20] == std::byte{'x'});
  CHECK(pages_in_memory(bytes) <= 16); // a page, or a large folio
  (*file)->expect(1 << 20);
  const auto in_memory = [&] { return pages_in_memory(bytes.subspan(1 << 20, 256 << 10)); };
  for (int waited = 0; waited < 1000 && in_memory() < 64; ++waited)
    ::usleep(1000);
  CHECK(in_memory() == 64);
  (*file)->expect((4 << 20) - 1); // the last window has no next one
  (*file)->expect(5 << 20);       // and nothing lies behind the end
}

TEST_CASE("bytes that are cut off a mapped file read as zeros, the rest stays") {
  const temporary_directory folder;
  const auto path = folder.write("f", std::string(5 * 4096, 'x'));
  const auto file = mapped_file::open(path);
  REQUIRE(file);
  const auto bytes = (*file)->bytes();
  CHECK(bytes[4 * 4096] == std::byte{'x'});
  REQUIRE(::truncate(path.c_str(), 4096) == 0);
  CHECK(bytes[4095] == std::byte{'x'});
  CHECK(bytes[4096] == std::byte{0});
  CHECK(bytes[5 * 4096 - 1] == std::byte{0});
}

TEST_CASE("a guarded writable mapping that is cut short can be written on") {
  const temporary_directory folder;
  const auto path = folder.write("f", std::string(2 * 4096, 'x'));
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  auto* start = static_cast<char*>(::mmap(nullptr, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  REQUIRE(start != MAP_FAILED);
  REQUIRE(guard_mapping(start, 2 * 4096));
  REQUIRE(::ftruncate(fd, 0) == 0);
  start[4096] = 'y';
  CHECK(start[4096] == 'y');
  unguard_mapping(start);
  ::munmap(start, 2 * 4096);
  ::close(fd);
}

TEST_CASE("a fault outside of guarded mappings ends the process as ever") {
  const temporary_directory folder;
  const auto path = folder.write("f", std::string(2 * 4096, 'x'));
  const auto guarded = mapped_file::open(path); // so that the handler is there
  REQUIRE(guarded);
  const int status = status_of_child([&] {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    const auto* start = static_cast<volatile char*>(::mmap(nullptr, 8192, PROT_READ, MAP_SHARED, fd, 0));
    if (::ftruncate(fd, 0) == 0)
      (void) start[4096];
  });
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGBUS);
}

TEST_CASE("a mapping that is no longer guarded is not mended") {
  const temporary_directory folder;
  const auto path = folder.write("f", std::string(4096, 'x'));
  const int status = status_of_child([&] {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    auto* start = static_cast<volatile char*>(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0));
    guard_mapping(const_cast<char*>(start), 4096);
    unguard_mapping(const_cast<char*>(start));
    if (::ftruncate(fd, 0) == 0)
      (void) start[0];
  });
  CHECK(WIFSIGNALED(status));
}

TEST_CASE("SIGBUS that another process sends ends the process") {
  const temporary_directory folder;
  const auto guarded = mapped_file::open(folder.write("f", "x"));
  const int status = status_of_child([] { ::raise(SIGBUS); });
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGBUS);
}
