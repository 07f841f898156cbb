// SPDX-License-Identifier: Apache-2.0
#include "protocol/fuse/request.hpp"

#include <string_view>

#include "protocol/bytes/byte_reader.hpp"

namespace nydus::fuse {

namespace {

constexpr std::size_t longest_name = 255;

failure too_short(std::uint32_t opcode) {
  return {errc::malformed, std::string{"FUSE "} + opcode_name(opcode) + " request is cut short"};
}

result<std::string> take_name(byte_reader& body, std::uint32_t opcode, bool may_hold_slash) {
  auto name = body.take_c_string();
  if (!name)
    return too_short(opcode);
  if (name->empty() || name->size() > longest_name)
    return failure{errc::malformed, std::string{"FUSE "} + opcode_name(opcode) + ": name of " +
                                        std::to_string(name->size()) + " bytes, 1 to 255 are allowed"};
  if (!may_hold_slash && name->find('/') != std::string_view::npos)
    return failure{errc::malformed, std::string{"FUSE "} + opcode_name(opcode) + ": name holds '/'"};
  return std::string{*name};
}

result<request> decode_body(const fuse_in_header& header, byte_reader body) {
  request asked;
  asked.opcode = header.opcode;
  asked.unique = header.unique;
  asked.nodeid = header.nodeid;
  asked.uid = header.uid;
  asked.gid = header.gid;
  asked.pid = header.pid;
  switch (header.opcode) {
  case FUSE_LOOKUP: {
    auto name = take_name(body, header.opcode, false);
    if (!name)
      return name.error();
    asked.name = std::move(*name);
    break;
  }
  case FUSE_READ:
  case FUSE_READDIR:
  case FUSE_READDIRPLUS: {
    auto in = body.take<fuse_read_in>();
    if (!in)
      return too_short(header.opcode);
    asked.offset = in->offset;
    asked.size = in->size;
    break;
  }
  case FUSE_GETXATTR:
  case FUSE_LISTXATTR: {
    auto in = body.take<fuse_getxattr_in>();
    if (!in)
      return too_short(header.opcode);
    asked.size = in->size;
    if (header.opcode == FUSE_GETXATTR) {
      auto name = take_name(body, header.opcode, true);
      if (!name)
        return name.error();
      asked.name = std::move(*name);
    }
    break;
  }
  case FUSE_INTERRUPT: {
    auto in = body.take<fuse_interrupt_in>();
    if (!in)
      return too_short(header.opcode);
    asked.interrupted = in->unique;
    break;
  }
  default:
    break;
  }
  return asked;
}

} // namespace

decoded decode(std::span<const std::byte> bytes) {
  decoded outcome;
  byte_reader body{bytes};
  auto header = body.take<fuse_in_header>();
  if (!header) {
    outcome.request_or_failure = failure{errc::malformed, "FUSE request of " + std::to_string(bytes.size()) +
                                                              " bytes is shorter than its header"};
    return outcome;
  }
  outcome.header = *header;
  outcome.has_header = true;
  if (header->len != bytes.size())
    outcome.request_or_failure =
        failure{errc::malformed, "FUSE request says it has " + std::to_string(header->len) +
                                     " bytes and has " + std::to_string(bytes.size())};
  else
    outcome.request_or_failure = decode_body(*header, body);
  return outcome;
}

bool has_no_reply(std::uint32_t opcode) noexcept {
  return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET || opcode == FUSE_INTERRUPT;
}

bool is_modifying(std::uint32_t opcode) noexcept {
  switch (opcode) {
  case FUSE_SETATTR:
  case FUSE_SYMLINK:
  case FUSE_MKNOD:
  case FUSE_MKDIR:
  case FUSE_UNLINK:
  case FUSE_RMDIR:
  case FUSE_RENAME:
  case FUSE_RENAME2:
  case FUSE_LINK:
  case FUSE_WRITE:
  case FUSE_SETXATTR:
  case FUSE_REMOVEXATTR:
  case FUSE_CREATE:
  case FUSE_FALLOCATE:
  case FUSE_COPY_FILE_RANGE:
    return true;
  default:
    return opcode == 51 /* TMPFILE, 7.37 */;
  }
}

const char* opcode_name(std::uint32_t opcode) noexcept {
  switch (opcode) {
  case FUSE_LOOKUP:
    return "LOOKUP";
  case FUSE_FORGET:
    return "FORGET";
  case FUSE_GETATTR:
    return "GETATTR";
  case FUSE_SETATTR:
    return "SETATTR";
  case FUSE_READLINK:
    return "READLINK";
  case FUSE_SYMLINK:
    return "SYMLINK";
  case FUSE_MKNOD:
    return "MKNOD";
  case FUSE_MKDIR:
    return "MKDIR";
  case FUSE_UNLINK:
    return "UNLINK";
  case FUSE_RMDIR:
    return "RMDIR";
  case FUSE_RENAME:
    return "RENAME";
  case FUSE_LINK:
    return "LINK";
  case FUSE_OPEN:
    return "OPEN";
  case FUSE_READ:
    return "READ";
  case FUSE_WRITE:
    return "WRITE";
  case FUSE_STATFS:
    return "STATFS";
  case FUSE_RELEASE:
    return "RELEASE";
  case FUSE_FSYNC:
    return "FSYNC";
  case FUSE_SETXATTR:
    return "SETXATTR";
  case FUSE_GETXATTR:
    return "GETXATTR";
  case FUSE_LISTXATTR:
    return "LISTXATTR";
  case FUSE_REMOVEXATTR:
    return "REMOVEXATTR";
  case FUSE_FLUSH:
    return "FLUSH";
  case FUSE_INIT:
    return "INIT";
  case FUSE_OPENDIR:
    return "OPENDIR";
  case FUSE_READDIR:
    return "READDIR";
  case FUSE_RELEASEDIR:
    return "RELEASEDIR";
  case FUSE_FSYNCDIR:
    return "FSYNCDIR";
  case FUSE_GETLK:
    return "GETLK";
  case FUSE_SETLK:
    return "SETLK";
  case FUSE_SETLKW:
    return "SETLKW";
  case FUSE_ACCESS:
    return "ACCESS";
  case FUSE_CREATE:
    return "CREATE";
  case FUSE_INTERRUPT:
    return "INTERRUPT";
  case FUSE_BMAP:
    return "BMAP";
  case FUSE_DESTROY:
    return "DESTROY";
  case FUSE_IOCTL:
    return "IOCTL";
  case FUSE_POLL:
    return "POLL";
  case FUSE_NOTIFY_REPLY:
    return "NOTIFY_REPLY";
  case FUSE_BATCH_FORGET:
    return "BATCH_FORGET";
  case FUSE_FALLOCATE:
    return "FALLOCATE";
  case FUSE_READDIRPLUS:
    return "READDIRPLUS";
  case FUSE_RENAME2:
    return "RENAME2";
  case FUSE_LSEEK:
    return "LSEEK";
  case FUSE_COPY_FILE_RANGE:
    return "COPY_FILE_RANGE";
  case FUSE_SETUPMAPPING:
    return "SETUPMAPPING";
  case FUSE_REMOVEMAPPING:
    return "REMOVEMAPPING";
  case FUSE_SYNCFS:
    return "SYNCFS";
  default:
    return "unknown";
  }
}

} // namespace nydus::fuse
