// SPDX-License-Identifier: Apache-2.0
#include "storage/blob_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include "test/fakes/scratch_folder.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("storage/blob_file");

namespace {

const std::vector<std::byte> four{std::byte{'a'}, std::byte{'b'}, std::byte{'c'}, std::byte{'d'}};

} // namespace

TEST_CASE("a file is made sparse, with its size, and what is written is read back") {
  const no_fd_leak guard;
  const scratch_folder folder;
  const auto made = blob_file::make(folder / "b", 1 << 30);
  REQUIRE(made);
  struct stat status {};
  REQUIRE(::stat((folder / "b").c_str(), &status) == 0);
  CHECK(status.st_size == 1 << 30);
  CHECK(status.st_blocks < 1000);
  CHECK((status.st_mode & 0777 & ~0644) == 0);
  CHECK(made->write((1 << 30) - 4, four));
  std::vector<std::byte> read(4);
  CHECK(made->read((1 << 30) - 4, read));
  CHECK(read == four);
  CHECK(!made->read((1 << 30) - 3, read)); // behind the end
}

TEST_CASE("a file is opened if it has the size, and not if it is another's") {
  const no_fd_leak guard;
  const scratch_folder folder;
  auto none = blob_file::open(folder / "b", 4);
  REQUIRE(none);
  CHECK(!*none);
  write_file(folder / "b", "abcd");
  CHECK(blob_file::open(folder / "b", 4)->has_value());
  CHECK(blob_file::open(folder / "b", 0)->has_value()); // the size is not known
  CHECK(!blob_file::open(folder / "b", 3)->has_value());
  CHECK(!blob_file::open(folder / "b", 5)->has_value());
  write_file(folder / "b", "");
  CHECK(!blob_file::open(folder / "b", 0)->has_value());
  CHECK(read_file(folder / "b").empty()); // opening changes nothing
}

TEST_CASE("a file that is replaced goes on for whoever has it open") {
  const scratch_folder folder;
  const auto old = blob_file::make(folder / "b", 4);
  REQUIRE(old);
  REQUIRE(old->write(0, four));
  const auto made = blob_file::make(folder / "b", 8);
  REQUIRE(made);
  std::vector<std::byte> read(4);
  CHECK(old->read(0, read));
  CHECK(read == four);
  CHECK(made->read(0, read));
  CHECK(read == std::vector<std::byte>(4));
}

TEST_CASE("what is no regular file is refused") {
  const no_fd_leak guard;
  const scratch_folder folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  CHECK(!blob_file::open(folder / "fifo", 4));
  write_file(folder / "target", "abcd");
  std::filesystem::create_symlink(folder / "target", folder / "link");
  CHECK(!blob_file::open(folder / "link", 4));
  std::filesystem::create_directory(folder / "folder");
  CHECK(!blob_file::open(folder / "folder", 4));
  CHECK(!blob_file::make(folder / "folder", 4));
}

TEST_CASE("a size that no file can have is malformed") {
  const scratch_folder folder;
  const auto refused = blob_file::make(folder / "b", ~0ull);
  REQUIRE(!refused);
  CHECK(refused.error().code == errc::malformed);
  CHECK(!std::filesystem::exists(folder / "b"));
}
TEST_CASE("what was written is resident, what lies outside the file never is") {
  const scratch_folder folder;
  const auto made = blob_file::make(folder / "b", 3 << 20);
  REQUIRE(made);
  const std::vector<std::byte> bytes(10000, std::byte{7});
  REQUIRE(made->write(5000, bytes));
  const auto found = made->resident(5000, bytes.size());
  REQUIRE(found);
  CHECK(std::equal(found->begin(), found->end(), bytes.begin(), bytes.end()));
  CHECK(made->resident(5123, 1)->front() == std::byte{7});
  CHECK(!made->resident(1 << 20, 4096)); // a hole that nobody has read
  CHECK(!made->resident(0, 0));
  CHECK(!made->resident(0, (1 << 20) + 1)); // more than any answer
  CHECK(!made->resident((3 << 20) - 1, 2));
  CHECK(!made->resident(~0ull, 1));
  CHECK(!blob_file::make(folder / "unknown", 0)->resident(0, 1));
}

TEST_CASE("bytes that are touched after their file was cut short are zeros, and the file says so") {
  const scratch_folder folder;
  const auto made = blob_file::make(folder / "b", 8192);
  REQUIRE(made);
  REQUIRE(made->write(0, std::vector<std::byte>(8192, std::byte{7})));
  const auto found = made->resident(0, 8192);
  REQUIRE(found);
  CHECK(!made->was_cut());
  REQUIRE(::truncate((folder / "b").c_str(), 0) == 0);
  CHECK((*found)[4096] == std::byte{0});
  CHECK(made->was_cut());
  CHECK(!made->resident(0, 1));
}

TEST_CASE("a page that is written is resident at once, also next to those that were looked for in vain") {
  const scratch_folder folder;
  const auto made = blob_file::make(folder / "b", 8 << 20);
  REQUIRE(made);
  const std::vector<std::byte> page(4096, std::byte{7});
  for (std::uint64_t offset = 0; offset < 2 << 20; offset += 4096) {
    CHECK(!made->resident(offset, 4096));
    REQUIRE(made->write(offset, page));
    CHECK(made->resident(offset, 4096));
    CHECK(made->resident(0, std::min<std::uint64_t>(offset + 4096, 1 << 20)));
    CHECK(!made->resident(offset, 4097));
  }
}

TEST_CASE("once pages are seen to be taken away, none is taken for resident that is not") {
  const scratch_folder folder;
  const auto made = blob_file::make(folder / "b", 1 << 20);
  REQUIRE(made);
  REQUIRE(made->write(0, std::vector<std::byte>(1 << 20, std::byte{7})));
  REQUIRE(made->resident(0, 1 << 20));
  const auto drop_pages = [&] {
    REQUIRE(::fdatasync(made->fd()) == 0); // pages that are not written yet cannot be dropped
    REQUIRE(::posix_fadvise(made->fd(), 0, 1 << 20, POSIX_FADV_DONTNEED) == 0);
  };
  drop_pages();
  CHECK(made->resident(0, 4096)); // believed: it was so a moment ago
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  if (made->resident(0, 4096)) {
    MESSAGE("skipped: this file system keeps its pages");
    return;
  }
  std::vector<std::byte> back(1 << 20);
  REQUIRE(made->read(0, back)); // in memory again, and asked for each time
  CHECK(made->resident(0, 1 << 20));
  drop_pages();
  CHECK(!made->resident(0, 4096));
}

TEST_CASE("a system call that is given bytes of a file that was cut short meanwhile fails") {
  const scratch_folder folder;
  const auto made = blob_file::make(folder / "b", 8192);
  REQUIRE(made);
  REQUIRE(made->write(0, std::vector<std::byte>(8192)));
  const auto found = made->resident(0, 8192);
  REQUIRE(found);
  REQUIRE(::truncate((folder / "b").c_str(), 0) == 0);
  const unique_fd sink{::memfd_create("sink", MFD_CLOEXEC)};
  CHECK(::write(sink.get(), found->data(), found->size()) == -1);
  CHECK(errno == EFAULT);
}
