// SPDX-License-Identifier: Apache-2.0
// What a port answers by itself because it concerns the session and no inode (transport.md 2.1). Pure, and
// the same for every transport.
#pragma once

#include <optional>

#include "actors/fs_request.hpp"
#include "protocol/fuse/init_handshake.hpp"

namespace nydus {

/// An errno (positive), or 0 and a body, which may be empty.
struct session_answer {
  int error = 0;
  inline_body body{};
};

/// The answer to `asked` under the terms that were agreed on; none if router and mounts have to be asked.
/// Refused calls are ones that the kernel then stops making. Not for opcodes that have no answer
/// (fuse::has_no_reply) and not for INIT.
std::optional<session_answer> answer_of_session(const fuse::request& asked, const fuse::session_terms& terms);

} // namespace nydus
