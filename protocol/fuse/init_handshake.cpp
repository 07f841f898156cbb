// SPDX-License-Identifier: Apache-2.0
#include "protocol/fuse/init_handshake.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "protocol/bytes/byte_reader.hpp"

namespace nydus::fuse {

namespace {

// What pays off for an immutable tree: concurrency, large requests, every cache the kernel has, and no OPEN
// at all. AUTO_INVAL_DATA is for the directories above the mounts: their cached listing is dropped when their
// mtime differs. Inside an image none ever does, so it costs nothing there.
constexpr std::uint64_t wanted_flags =
    FUSE_ASYNC_READ | FUSE_EXPORT_SUPPORT | FUSE_BIG_WRITES | FUSE_HAS_IOCTL_DIR | FUSE_DO_READDIRPLUS |
    FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_NO_OPEN_SUPPORT | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES |
    FUSE_CACHE_SYMLINKS | FUSE_NO_OPENDIR_SUPPORT | FUSE_AUTO_INVAL_DATA | FUSE_INIT_EXT;

// Sizes of fuse_init_out that older kernels expect (transport.md 2.1).
constexpr std::size_t reply_size_before_5 = 8;
constexpr std::size_t reply_size_before_23 = 24;

std::vector<std::byte> reply_bytes(std::uint64_t unique, int error, std::span<const std::byte> body) {
  fuse_out_header header{};
  header.len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.error = -error;
  header.unique = unique;
  std::vector<std::byte> bytes(header.len);
  std::memcpy(bytes.data(), &header, sizeof header);
  if (!body.empty())
    std::memcpy(bytes.data() + sizeof header, body.data(), body.size());
  return bytes;
}

} // namespace

result<init_outcome> answer_init(std::span<const std::byte> request) {
  byte_reader body{request};
  const auto header = body.take<fuse_in_header>();
  if (!header || header->opcode != FUSE_INIT)
    return failure{errc::malformed, "the first FUSE request is no INIT"};
  // major, minor, max_readahead and flags were always there; flags2 came with 7.36.
  struct first_fields {
    std::uint32_t major, minor, max_readahead, flags;
  };
  const auto offered = body.take<first_fields>();
  if (!offered)
    return failure{errc::malformed, "FUSE INIT is cut short"};
  const auto flags2 = body.take<std::uint32_t>();

  init_outcome outcome;
  fuse_init_out out{};
  out.major = major_version;
  out.minor = minor_version;
  if (offered->major < major_version) {
    outcome.reply = reply_bytes(header->unique, EPROTO, {});
    return outcome;
  }
  if (offered->major > major_version) { // it will come again with our version
    outcome.reply = reply_bytes(header->unique, 0, std::as_bytes(std::span{&out, 1}));
    return outcome;
  }
  std::uint64_t flags = offered->flags;
  if ((flags & FUSE_INIT_EXT) != 0 && flags2)
    flags |= std::uint64_t{*flags2} << 32;
  flags &= wanted_flags;

  out.max_readahead = offered->max_readahead;
  out.flags = static_cast<std::uint32_t>(flags);
  out.flags2 = static_cast<std::uint32_t>(flags >> 32);
  out.max_background = 65535;
  out.congestion_threshold = 49149; // three quarters
  out.max_write = max_write;
  out.time_gran = 1;
  out.max_pages = (flags & FUSE_MAX_PAGES) != 0 ? max_pages : 0;
  auto size = sizeof out;
  if (offered->minor < 5)
    size = reply_size_before_5;
  else if (offered->minor < 23)
    size = reply_size_before_23;
  outcome.reply = reply_bytes(header->unique, 0, std::as_bytes(std::span{&out, 1}).first(size));
  outcome.is_settled = true;
  outcome.terms.minor = std::min(offered->minor, minor_version);
  outcome.terms.flags = flags;
  outcome.terms.max_readahead = offered->max_readahead;
  return outcome;
}

} // namespace nydus::fuse
