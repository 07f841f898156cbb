// SPDX-License-Identifier: Apache-2.0
// What a port asks of router and mounts, and what it gets back. Nothing here knows which transport the port
// serves.
#pragma once

#include <caf/actor.hpp>

#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "actors/trace_event.hpp"
#include "protocol/bytes/owned_bytes.hpp"
#include "protocol/fuse/request.hpp"
#include "storage/blob_file.hpp"

namespace nydus {

/// One request on its way. Whoever keeps it owes `port` exactly one fs_reply, also when it gives up.
struct fs_request {
  fuse::request asked;
  caf::actor port;
  std::uint32_t slot = 0; // the port's own number for it, echoed
  trace_id trace{};
  request_times times; // echoed, with what router and mount add
  /// Whether its kernel can be told that a name or listing has become stale. If not, it may cache nothing of
  /// what a mount or an unmount changes.
  bool can_recall = false;
};

/// Gives up a request of this port, if it still waits: its asker was interrupted. No answer of its own.
struct interrupt_request {
  std::uint64_t unique = 0;
};

/// A run of bytes that the port moves to its asker: of a cache file, of a buffer, or zeros (neither is set).
struct extent {
  std::shared_ptr<const blob_file> file;
  shared_bytes buffer;
  std::uint64_t offset = 0; // bytes into file or buffer
  std::uint32_t size = 0;   // bytes
};

/// Small answers (attributes, entries) travel inside the message.
class inline_body {
public:
  template <class Record>
  static inline_body of(const Record& record) {
    static_assert(std::is_trivially_copyable_v<Record> && sizeof(Record) <= capacity);
    inline_body body;
    std::memcpy(body.bytes_.data(), &record, sizeof record);
    body.size_ = sizeof record;
    return body;
  }
  std::span<const std::byte> span() const noexcept { return {bytes_.data(), size_}; }

private:
  static constexpr std::size_t capacity = sizeof(fuse_entry_out);
  std::array<std::byte, capacity> bytes_;
  std::uint32_t size_ = 0;
};

/// The answer: an errno, or one of the bodies.
struct fs_reply {
  std::uint32_t slot = 0;
  int error = 0; // errno, positive
  request_times times;
  std::variant<std::monostate, inline_body, std::vector<std::byte>, extent, std::vector<extent>> body;

  /// The body's bytes, if it brings them itself.
  std::span<const std::byte> bytes() const noexcept {
    if (const auto* small = std::get_if<inline_body>(&body))
      return small->span();
    if (const auto* owned = std::get_if<std::vector<std::byte>>(&body))
      return *owned;
    return {};
  }
  /// The extents, if the body is some.
  std::span<const extent> extents() const noexcept {
    if (const auto* one = std::get_if<extent>(&body))
      return {one, 1};
    if (const auto* many = std::get_if<std::vector<extent>>(&body))
      return *many;
    return {};
  }
};

/// Bytes of the answer's body.
inline std::uint64_t size_of(const fs_reply& reply) noexcept {
  std::uint64_t size = reply.bytes().size();
  for (const auto& one : reply.extents())
    size += one.size;
  return size;
}

/// A mount's share of a node id. Pseudo-directories are mount 0 (architecture.md section 5).
constexpr unsigned inode_bits = 44;
constexpr std::uint64_t highest_inode_bits = (std::uint64_t{1} << inode_bits) - 1;
constexpr std::uint32_t mount_number_limit = 1u << 20;

constexpr std::uint64_t make_node_id(std::uint32_t mount_number, std::uint64_t inode) noexcept {
  return std::uint64_t{mount_number} << inode_bits | inode;
}
constexpr std::uint32_t mount_of(std::uint64_t node_id) noexcept {
  return static_cast<std::uint32_t>(node_id >> inode_bits);
}
constexpr std::uint64_t inode_of(std::uint64_t node_id) noexcept {
  return node_id & highest_inode_bits;
}

} // namespace nydus
