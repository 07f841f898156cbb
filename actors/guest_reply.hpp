// SPDX-License-Identifier: Apache-2.0
// Writes FUSE answers into the buffers that a guest gave for them. Neighbours: virtqueue_port, which says
// where; protocol/virtio/descriptor_chain, which found the buffers.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <span>

#include "actors/fs_request.hpp"

namespace nydus {

/// Buffers of one answer, checked to lie in the guest's memory.
struct reply_buffers {
  std::span<const iovec> places;
  std::uint32_t size = 0; // bytes; at least an answer's header
};

/// Writes header and body; bytes written. What does not fit is a fault of ours: EIO is written then.
std::uint32_t write_reply(reply_buffers to, std::uint64_t unique, int error,
                          std::span<const std::byte> body) noexcept;

/// The same with the bytes that the extents name, copied from their files and buffers. Nothing if a page is
/// not in memory: the answer has to be written again once it is. Reactors: never waits for a disk.
std::optional<std::uint32_t> write_reply(reply_buffers to, std::uint64_t unique,
                                         std::span<const extent> extents) noexcept;

} // namespace nydus
