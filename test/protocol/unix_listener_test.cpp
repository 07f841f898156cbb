// SPDX-License-Identifier: Apache-2.0
#include "protocol/unix_listener.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "test/fakes/scratch_folder.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("protocol/unix_listener");

TEST_CASE("a socket is listened on by its owner alone, and replaces one that was left") {
  const scratch_folder folder;
  const auto path = folder.path() + "/sock";
  auto listener = listen_at(path);
  REQUIRE(listener);
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  *listener = unique_fd{};
  CHECK(listen_at(path));
}

TEST_CASE("what is no socket is not replaced") {
  const scratch_folder folder;
  const auto path = folder.path() + "/file";
  const unique_fd file{::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)};
  REQUIRE(file);
  CHECK(!listen_at(path));
  CHECK(::access(path.c_str(), F_OK) == 0);
  CHECK(!listen_at(std::string(200, 'x')));
  CHECK(!listen_at(""));
  CHECK(!listen_at(folder.path() + "/missing/sock"));
}

TEST_SUITE_END();
