// SPDX-License-Identifier: Apache-2.0
// One FUSE request, decoded from bytes of the kernel or a guest (which are checked: any of them may lie).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "protocol/fuse/abi.hpp"
#include "protocol/result.hpp"

namespace nydus::fuse {

/// What the operations of a read-only file system need. Fields that an opcode lacks are zero or empty.
struct request {
  std::uint32_t opcode = 0; // fuse_opcode; unknown ones are passed on as they are
  std::uint64_t unique = 0; // echoed in the reply
  std::uint64_t nodeid = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t pid = 0;
  std::uint64_t offset = 0;      // READ: bytes; READDIR(PLUS): cursor
  std::uint32_t size = 0;        // READ, READDIR(PLUS), GETXATTR, LISTXATTR: bytes that the asker takes
  std::uint64_t interrupted = 0; // INTERRUPT: unique of the request to give up
  std::string name;              // LOOKUP, GETXATTR: without its NUL
};

/// Decodes one whole request. malformed if it is shorter than its opcode demands, its length field differs
/// from `bytes`, or a name has no end, is empty, holds '/' or is longer than 255 bytes (GETXATTR: may hold
/// '/'). On failure `header` still tells whom to answer, if the header itself was whole.
struct decoded {
  fuse_in_header header{};
  bool has_header = false;
  result<request> request_or_failure = failure{errc::malformed, "no header"};
};
decoded decode(std::span<const std::byte> bytes);

/// Whether the opcode never gets an answer (FORGET, BATCH_FORGET, INTERRUPT).
bool has_no_reply(std::uint32_t opcode) noexcept;

/// Whether the opcode would change a file system.
bool is_modifying(std::uint32_t opcode) noexcept;

/// The opcode's name, for traces and logs; "unknown" if the kernel is newer.
const char* opcode_name(std::uint32_t opcode) noexcept;

} // namespace nydus::fuse
