// SPDX-License-Identifier: Apache-2.0
// The VMM's socket: puts messages together out of bytes and descriptors, and sends answers. Neighbours:
// message has the syntax, actors/vmm_conversation waits for the socket.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/result.hpp"
#include "protocol/unique_fd.hpp"
#include "protocol/vhost_user/message.hpp"

namespace nydus::vhost_user {

/// Threads: one owner. Nothing blocks.
class connection {
public:
  /// `socket`: connected and non-blocking.
  explicit connection(unique_fd socket) noexcept : socket_(std::move(socket)) {}

  int fd() const noexcept { return socket_.get(); }

  /// The next message, if it has come whole. malformed: wrong syntax or too many descriptors; abandoned: the
  /// VMM has hung up; unavailable: the socket fails. After a failure the connection is of no use.
  result<std::optional<message>> receive();

  /// Sends the answer to a message with that id. `descriptor`: goes with it, none if negative; stays the
  /// caller's. unavailable if the VMM takes no bytes: it asks and does not listen.
  result<void> reply(request id, std::span<const std::byte> payload, int descriptor = -1);

private:
  /// Reads up to `wanted` bytes of the message in hand; false if there are none now.
  result<bool> read_more(std::size_t wanted);

  unique_fd socket_;
  std::vector<std::byte> bytes_; // of the message in hand, header included
  std::vector<unique_fd> descriptors_;
};

} // namespace nydus::vhost_user
