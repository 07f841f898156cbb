// SPDX-License-Identifier: Apache-2.0
// Stands where mount_router would: answers at once, or holds READs until it is told. READ's bytes follow from
// the offset alone, so that a test knows them.
#pragma once

#include <caf/all.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <vector>

#include "actors/fs_request.hpp"
#include "actors/message_types.hpp"

namespace nydus {

struct release_reads {};

/// What the byte at `offset` of every file is.
constexpr std::byte held_file_byte(std::uint64_t offset) {
  return static_cast<std::byte>(offset * 7 + offset / 251);
}

/// What test and router share.
struct router_control {
  std::atomic<bool> holds_reads{false};
  std::atomic<std::size_t> held{0};           // READs that wait
  std::atomic<std::size_t> releases{0};       // release_reads that were followed
  std::atomic<std::size_t> requests{0};       // that came, all told
  std::atomic<std::uint64_t> out_of_order{0}; // READs whose offset was not above the one before
};

} // namespace nydus

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::release_reads)

namespace nydus {

struct held_router_state {
  std::vector<fs_request> waiting;
  std::uint64_t last_offset = 0;
};

inline caf::behavior held_router(caf::stateful_actor<held_router_state>* self,
                                 const std::shared_ptr<router_control>& control) {
  const auto answer = [self](const fs_request& request, int error, auto body) {
    fs_reply reply;
    reply.slot = request.slot;
    reply.error = error;
    reply.body = std::move(body);
    self->send(request.port, std::move(reply));
  };
  const auto read = [answer](const fs_request& request) {
    std::vector<std::byte> bytes(request.asked.size);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = held_file_byte(request.asked.offset + i);
    answer(request, 0, std::move(bytes));
  };
  return {
      [=](const fs_request& request) {
        ++control->requests;
        if (request.asked.opcode == FUSE_GETATTR) {
          fuse_attr_out attributes{};
          attributes.attr.ino = request.asked.nodeid;
          answer(request, 0, inline_body::of(attributes));
        } else if (request.asked.opcode != FUSE_READ) {
          answer(request, ENOENT, std::monostate{});
        } else if (control->holds_reads) {
          if (request.asked.offset < self->state.last_offset)
            ++control->out_of_order;
          self->state.last_offset = request.asked.offset;
          self->state.waiting.push_back(request);
          control->held = self->state.waiting.size();
        } else {
          read(request);
        }
      },
      [=](const release_reads&) {
        control->holds_reads = false;
        control->held = 0;
        self->state.last_offset = 0;
        for (const auto& request : std::exchange(self->state.waiting, {}))
          read(request);
        ++control->releases;
      },
  };
}

} // namespace nydus
