// SPDX-License-Identifier: Apache-2.0
#include "actors/session_answers.hpp"

#include <cerrno>

namespace nydus {

namespace {

/// OPEN and OPENDIR: refused for ever if the kernel goes without, else a handle that keeps what is cached.
session_answer answer_open(bool may_be_silent, std::uint32_t open_flags) {
  if (may_be_silent)
    return {ENOSYS, {}};
  fuse_open_out out{};
  out.open_flags = open_flags;
  return {0, inline_body::of(out)};
}

} // namespace

std::optional<session_answer> answer_of_session(const fuse::request& asked,
                                                const fuse::session_terms& terms) {
  if (fuse::is_modifying(asked.opcode))
    return session_answer{EROFS, {}};
  switch (asked.opcode) {
  case FUSE_LOOKUP:
  case FUSE_GETATTR:
  case FUSE_READLINK:
  case FUSE_READ:
  case FUSE_STATFS:
  case FUSE_GETXATTR:
  case FUSE_LISTXATTR:
  case FUSE_READDIR:
  case FUSE_READDIRPLUS:
    return std::nullopt;
  case FUSE_OPEN:
    return answer_open((terms.flags & FUSE_NO_OPEN_SUPPORT) != 0, FOPEN_KEEP_CACHE);
  case FUSE_OPENDIR:
    return answer_open((terms.flags & FUSE_NO_OPENDIR_SUPPORT) != 0, FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR);
  case FUSE_RELEASE:
  case FUSE_RELEASEDIR:
  case FUSE_DESTROY:
    return session_answer{};
  case FUSE_IOCTL:
    return session_answer{ENOTTY, {}};
  default:
    return session_answer{ENOSYS, {}};
  }
}

} // namespace nydus
