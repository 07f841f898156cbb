// SPDX-License-Identifier: Apache-2.0
#include "actors/session_answers.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>

using namespace nydus;

TEST_SUITE_BEGIN("actors/session_answers");

namespace {

std::optional<session_answer> answer_to(std::uint32_t opcode, std::uint64_t flags = 0) {
  fuse::request asked;
  asked.opcode = opcode;
  fuse::session_terms terms;
  terms.flags = flags;
  return answer_of_session(asked, terms);
}

int error_of(std::uint32_t opcode, std::uint64_t flags = 0) {
  const auto answer = answer_to(opcode, flags);
  return answer ? answer->error : -1;
}

} // namespace

TEST_CASE("what concerns an inode is for router and mounts") {
  for (const std::uint32_t opcode : {FUSE_LOOKUP, FUSE_GETATTR, FUSE_READLINK, FUSE_READ, FUSE_STATFS,
                                     FUSE_GETXATTR, FUSE_LISTXATTR, FUSE_READDIR, FUSE_READDIRPLUS})
    CHECK(!answer_to(opcode));
}

TEST_CASE("a change is refused as read-only, never as unknown") {
  for (const std::uint32_t opcode :
       {FUSE_SETATTR, FUSE_SYMLINK, FUSE_MKNOD, FUSE_MKDIR, FUSE_UNLINK, FUSE_RMDIR, FUSE_RENAME,
        FUSE_RENAME2, FUSE_LINK, FUSE_WRITE, FUSE_SETXATTR, FUSE_REMOVEXATTR, FUSE_CREATE, FUSE_FALLOCATE,
        FUSE_COPY_FILE_RANGE})
    CHECK(error_of(opcode) == EROFS);
}

TEST_CASE("an open is refused for ever if the kernel can go without") {
  CHECK(error_of(FUSE_OPEN, FUSE_NO_OPEN_SUPPORT) == ENOSYS);
  CHECK(error_of(FUSE_OPENDIR, FUSE_NO_OPENDIR_SUPPORT) == ENOSYS);
}

TEST_CASE("an open that the kernel needs keeps what is cached") {
  std::uint32_t opcode = 0, flags = 0;
  SUBCASE("of a file") {
    opcode = FUSE_OPEN, flags = FOPEN_KEEP_CACHE;
  }
  SUBCASE("of a directory") {
    opcode = FUSE_OPENDIR, flags = FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR;
  }
  const auto answer = answer_to(opcode);
  REQUIRE(answer);
  CHECK(answer->error == 0);
  fuse_open_out out{};
  REQUIRE(answer->body.span().size() == sizeof out);
  std::memcpy(&out, answer->body.span().data(), sizeof out);
  CHECK(out.open_flags == flags);
}

TEST_CASE("ends of handles and of the session succeed with an empty answer") {
  for (const std::uint32_t opcode : {FUSE_RELEASE, FUSE_RELEASEDIR, FUSE_DESTROY}) {
    const auto answer = answer_to(opcode);
    REQUIRE(answer);
    CHECK(answer->error == 0);
    CHECK(answer->body.span().empty());
  }
}

TEST_CASE("what a read-only image has no use for is refused so that the kernel stops asking") {
  for (const std::uint32_t opcode :
       {FUSE_FLUSH, FUSE_FSYNC, FUSE_FSYNCDIR, FUSE_ACCESS, FUSE_POLL, FUSE_BMAP, FUSE_LSEEK,
        FUSE_SETUPMAPPING, FUSE_REMOVEMAPPING, FUSE_SYNCFS, FUSE_GETLK})
    CHECK(error_of(opcode) == ENOSYS);
  CHECK(error_of(9999) == ENOSYS); // of a kernel to come
  CHECK(error_of(FUSE_IOCTL) == ENOTTY);
}
