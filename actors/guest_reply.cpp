// SPDX-License-Identifier: Apache-2.0
#include "actors/guest_reply.hpp"

#include <cerrno>

#include "protocol/virtio/descriptor_chain.hpp"

namespace nydus {

namespace {

void write_header(virtio::chain_writer& writer, std::uint32_t length, std::uint64_t unique,
                  int error) noexcept {
  fuse_out_header header{};
  header.len = length;
  header.error = -error;
  header.unique = unique;
  writer.write(std::as_bytes(std::span{&header, 1}));
}

/// False if a page is not in memory.
bool write_extent(virtio::chain_writer& writer, const extent& one) noexcept {
  if (one.buffer) {
    writer.write(one.buffer->span().subspan(one.offset, one.size));
    return true;
  }
  if (!one.file) {
    writer.write_zeros(one.size);
    return true;
  }
  const auto bytes = one.file->resident(one.offset, one.size);
  if (!bytes)
    return false;
  writer.write(*bytes);
  return !one.file->was_cut(); // zeros were copied then
}

} // namespace

std::uint32_t write_reply(reply_buffers to, std::uint64_t unique, int error,
                          std::span<const std::byte> body) noexcept {
  const bool fits = sizeof(fuse_out_header) + body.size() <= to.size;
  const auto shown = fits ? body : std::span<const std::byte>{};
  const auto length = static_cast<std::uint32_t>(sizeof(fuse_out_header) + shown.size());
  virtio::chain_writer writer{to.places};
  write_header(writer, length, unique, fits ? error : EIO);
  writer.write(shown);
  return length;
}

std::optional<std::uint32_t> write_reply(reply_buffers to, std::uint64_t unique,
                                         std::span<const extent> extents) noexcept {
  std::size_t length = sizeof(fuse_out_header);
  for (const auto& one : extents)
    length += one.size;
  if (length > to.size)
    return write_reply(to, unique, EIO, {});
  virtio::chain_writer writer{to.places};
  write_header(writer, static_cast<std::uint32_t>(length), unique, 0);
  for (const auto& one : extents)
    if (!write_extent(writer, one))
      return std::nullopt;
  return static_cast<std::uint32_t>(length);
}

} // namespace nydus
