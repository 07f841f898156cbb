// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "builder/output_file.hpp"
#include "test/fakes/scratch_folder.hpp"

using namespace nydus;
using namespace nydus::builder;

namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span{text});
}

std::size_t entries_in(const std::string& folder) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator{folder}, std::filesystem::directory_iterator{}));
}

} // namespace

TEST_SUITE_BEGIN("builder/output_file");

TEST_CASE("a file is there whole once it is published, and not before") {
  const scratch_folder folder;
  const no_fd_leak guard;
  const std::string text(700000, 'x'); // more than the buffer
  auto file = output_file::at(folder / "out");
  REQUIRE(file);
  REQUIRE(file->write(bytes_of("head")));
  REQUIRE(file->write(bytes_of(text)));
  CHECK_FALSE(std::filesystem::exists(folder / "out"));
  CHECK(file->size() == 700004);
  const auto path = file->publish();
  REQUIRE(path);
  CHECK(*path == folder / "out");
  CHECK(read_file(*path) == "head" + text);
  CHECK(entries_in(folder.path()) == 1);
}

TEST_CASE("a file in a directory is named when it is published, by the digest of its bytes") {
  const scratch_folder folder;
  auto file = output_file::in(folder.path());
  REQUIRE(file);
  REQUIRE(file->write(bytes_of("abc")));
  const auto path = file->publish(file->finish_digest());
  REQUIRE(path);
  CHECK(*path == folder / "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(read_file(*path) == "abc");
}

TEST_CASE("what was not published leaves no trace and an older file as it was") {
  const scratch_folder folder;
  write_file(folder / "out", "old");
  {
    auto file = output_file::at(folder / "out");
    REQUIRE(file);
    REQUIRE(file->write(bytes_of("new")));
    CHECK(entries_in(folder.path()) == 2);
  }
  CHECK(entries_in(folder.path()) == 1);
  CHECK(read_file(folder / "out") == "old");
}

TEST_CASE("an abandoned file takes an older one of its name away") {
  const scratch_folder folder;
  write_file(folder / "out", "old");
  auto file = output_file::at(folder / "out");
  REQUIRE(file);
  REQUIRE(file->abandon());
  CHECK(entries_in(folder.path()) == 0);
}

TEST_CASE("a fifo gets the bytes, and its end also where there are none") {
  const scratch_folder folder;
  const auto path = folder / "fifo";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  for (const std::string text : {"bytes", ""}) {
    std::string got = "nothing yet";
    std::thread reader{[&] { got = read_file(path); }};
    {
      auto file = output_file::at(path);
      REQUIRE(file);
      if (!text.empty())
        CHECK(file->write(bytes_of(text)));
      if (text.empty())
        CHECK(file->abandon());
      else
        CHECK(file->publish());
    }
    reader.join();
    CHECK(got == text);
    CHECK(std::filesystem::is_fifo(path));
  }
}

TEST_CASE("places where no file can be are refused with what is wrong") {
  const scratch_folder folder;
  const auto missing = output_file::at(folder / "no/such/out");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == errc::not_found);
  CHECK(missing.error().detail.find(folder / "no/such; make it first") != std::string::npos);
  CHECK_FALSE(output_file::in(folder / "missing"));
  const auto directory = output_file::at(folder.path());
  REQUIRE_FALSE(directory);
  CHECK(directory.error().code == errc::is_a_directory);
}

TEST_CASE("a full disk is told of") {
  auto file = output_file::at("/dev/full");
  REQUIRE(file);
  const std::string text(300000, 'x');
  const auto written = file->write(bytes_of(text));
  REQUIRE_FALSE(written);
  CHECK(written.error().code == errc::no_space);
  CHECK(written.error().detail.find("/dev/full") != std::string::npos);
}
