// SPDX-License-Identifier: Apache-2.0
#include "storage/folder_lock.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "test/fakes/scratch_folder.hpp"

using namespace nydus;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("storage/folder_lock");

TEST_CASE("one at a time has the folder, and the next one when the first is gone") {
  const no_fd_leak guard;
  const scratch_folder folder, other;
  auto first = lock_folder(folder.path(), 1s);
  REQUIRE(first);
  CHECK(lock_folder(other.path(), 1s));
  const auto second = lock_folder(folder.path(), 20ms);
  REQUIRE(!second);
  CHECK(second.error().code == errc::timed_out);
  CHECK(second.error().detail.find(folder.path()) != std::string::npos);
  first->reset();
  CHECK(lock_folder(folder.path(), 0ms));
}

TEST_CASE("a process that is killed gives its folder up") {
  const scratch_folder folder;
  std::array<int, 2> ready{};
  REQUIRE(::pipe(ready.data()) == 0);
  const auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const auto held = lock_folder(folder.path(), 1s);
    (void) !::write(ready[1], held ? "y" : "n", 1);
    ::pause();
  }
  char answer = 0;
  REQUIRE(::read(ready[0], &answer, 1) == 1);
  CHECK(answer == 'y');
  CHECK(!lock_folder(folder.path(), 20ms));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(lock_folder(folder.path(), 1s));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("a folder that is missing or none is refused") {
  const scratch_folder folder;
  CHECK(lock_folder(folder / "missing", 1s).error().code == errc::not_found);
  write_file(folder / "file", "");
  CHECK(lock_folder(folder / "file", 1s).error().code == errc::unavailable);
}
