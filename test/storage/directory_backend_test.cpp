// SPDX-License-Identifier: Apache-2.0
#include "storage/directory_backend.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "test/fakes/scratch_folder.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("storage/directory_backend");

namespace {

result<owned_bytes> read(blob_backend& backend, const blob_range& range) {
  result<owned_bytes> answer = failure{errc::abandoned, "done was not called"};
  int calls = 0;
  backend.read(range, [&](result<owned_bytes> outcome) {
    answer = std::move(outcome);
    ++calls;
  });
  CHECK(calls == 1);
  return answer;
}

std::string text(const result<owned_bytes>& bytes) {
  REQUIRE_MESSAGE(bytes, (bytes ? "" : bytes.error().detail));
  return {reinterpret_cast<const char*>(bytes->span().data()), bytes->size()};
}

bool says(const failure& why, std::string_view words) {
  return why.detail.find(words) != std::string::npos;
}

} // namespace

TEST_CASE("the bytes of a range are those of the file, up to its very end") {
  const no_fd_leak guard;
  const scratch_folder folder;
  write_file(folder / "blob", "0123456789");
  auto backend = make_directory_backend({"", folder.path(), {}});
  CHECK(text(read(*backend, {"blob", 0, 10})) == "0123456789");
  CHECK(text(read(*backend, {"blob", 7, 3})) == "789");
  CHECK(text(read(*backend, {"blob", 10, 0})).empty());
}

TEST_CASE("a range that ends behind the blob's end is refused, naming blob, range and size") {
  const no_fd_leak guard;
  const scratch_folder folder;
  write_file(folder / "blob", "0123456789");
  auto backend = make_directory_backend({"", folder.path(), {}});
  for (const auto& range : {blob_range{"blob", 7, 4}, blob_range{"blob", 11, 1}, blob_range{"blob", ~0ull, 2},
                            blob_range{"blob", 2, ~0ull}, blob_range{"blob", 0, 1ull << 62}}) {
    const auto refused = read(*backend, range);
    REQUIRE(!refused);
    CHECK(refused.error().code == errc::backend_down);
    CHECK(to_errno(refused.error().code) == EIO); // what a reader of a blob cut short is to see
    CHECK(says(refused.error(), "blob blob"));
    CHECK(says(refused.error(), std::to_string(range.offset)));
    CHECK(says(refused.error(), "10 bytes"));
  }
}

TEST_CASE("a blob that is nowhere is not found, and all folders that were searched are named") {
  const no_fd_leak guard;
  const scratch_folder first, second;
  auto backend = make_directory_backend({"", first.path(), {second.path(), "/no/such/folder"}});
  const auto missing = read(*backend, {"blob", 0, 1});
  REQUIRE(!missing);
  CHECK(missing.error().code == errc::not_found);
  for (const auto& folder :
       {first.path(), second.path(), std::string{"/no/such/folder"}, std::string{"blob"}})
    CHECK(says(missing.error(), folder));
}

TEST_CASE("the other folders are searched in order, after the first") {
  const scratch_folder first, second, third;
  auto backend = make_directory_backend({"", first.path(), {second.path(), third.path()}});
  write_file(third / "blob", "3");
  CHECK(text(read(*backend, {"blob", 0, 1})) == "3");
  write_file(second / "blob", "2");
  CHECK(text(read(*backend, {"blob", 0, 1})) == "2");
  write_file(first / "blob", "1");
  CHECK(text(read(*backend, {"blob", 0, 1})) == "1");
}

TEST_CASE("a folder that cannot be read keeps no other from being searched, and is what is told otherwise") {
  const scratch_folder first, second;
  std::filesystem::create_symlink("loop", first / "loop"); // opens with ELOOP, whoever asks
  auto backend = make_directory_backend({"", first.path(), {second.path()}});
  const auto broken = read(*backend, {"loop", 0, 1});
  REQUIRE(!broken);
  CHECK(broken.error().code == errc::backend_down);
  write_file(second / "loop", "2");
  CHECK(text(read(*backend, {"loop", 0, 1})) == "2");
}

TEST_CASE("blob_file stands for every blob id") {
  const scratch_folder folder;
  write_file(folder / "any", "abc");
  auto backend = make_directory_backend({folder / "any", "", {}});
  CHECK(text(read(*backend, {"blob", 1, 2})) == "bc");
  CHECK(text(read(*backend, {"another", 0, 1})) == "a");
}

TEST_CASE("an id that is no file name is refused, whatever it would lead to") {
  const scratch_folder folder;
  std::filesystem::create_directory(folder / "inside");
  write_file(folder / "secret", "s");
  auto backend = make_directory_backend({"", folder / "inside", {}});
  for (const std::string id : {"", ".", "..", "../secret", "/etc/passwd", "a/b", "secret/"}) {
    CAPTURE(id);
    const auto refused = read(*backend, {id, 0, 1});
    REQUIRE(!refused);
    CHECK(refused.error().code == errc::malformed);
  }
  CHECK(read(*backend, {std::string{"a\0b", 3}, 0, 1}).error().code == errc::malformed);
}

TEST_CASE("what is no regular file is refused at once") {
  const no_fd_leak guard;
  const scratch_folder folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  std::filesystem::create_directory(folder / "folder");
  auto backend = make_directory_backend({"", folder.path(), {}});
  for (const auto* id : {"fifo", "folder"}) {
    const auto refused = read(*backend, {id, 0, 0});
    REQUIRE(!refused);
    CHECK(refused.error().code == errc::backend_down);
    CHECK(says(refused.error(), "no regular file"));
  }
}

TEST_CASE("a failure is not remembered: the next read sees what lies there then") {
  const no_fd_leak guard;
  const scratch_folder folder;
  auto backend = make_directory_backend({"", folder.path(), {}});
  CHECK(!read(*backend, {"blob", 0, 4}));
  write_file(folder / "blob", "abcd");
  CHECK(text(read(*backend, {"blob", 0, 4})) == "abcd");
  std::filesystem::resize_file(folder / "blob", 2);
  CHECK(!read(*backend, {"blob", 0, 4}));
  write_file(folder / "new", "efgh");
  std::filesystem::rename(folder / "new", folder / "blob");
  CHECK(text(read(*backend, {"blob", 0, 4})) == "efgh");
}

TEST_CASE("a backend that this build lacks is told from one that nobody has") {
  for (const auto* kind : {"localdisk", "http-proxy"}) {
    backend_config config;
    config.kind = kind;
    const auto made = make_blob_backend(config);
    REQUIRE(!made);
    CHECK(made.error().code == errc::not_supported);
    CHECK(says(made.error(), std::string{"this build has no "} + kind + " backend"));
  }
  backend_config config;
  config.kind = "floppy";
  CHECK(make_blob_backend(config).error().code == errc::malformed);
  for (const auto* kind : {"localfs", "registry", "oss", "s3"}) {
    config.kind = kind;
    CHECK(make_blob_backend(config));
  }
}
