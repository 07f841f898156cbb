// SPDX-License-Identifier: Apache-2.0
// The port of one reactor to one virtqueue: takes the guest's requests, hands them to the router, and moves
// the bytes of the answers into the guest's memory. Neighbours: queue_ports opens and ends it;
// fuse_port is its like for /dev/fuse.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "actors/reactor.hpp"
#include "protocol/fuse/init_handshake.hpp"
#include "protocol/unique_fd.hpp"
#include "protocol/vhost_user/inflight_log.hpp"
#include "protocol/virtio/guest_memory.hpp"
#include "protocol/virtio/split_queue.hpp"

namespace nydus {

using shared_fd = std::shared_ptr<const unique_fd>;

struct virtqueue_port_parts {
  std::uint32_t number = 0; // of the queue, for the log
  virtio::split_queue queue;
  virtio::guest_memory::shared memory;
  shared_fd kick;  // the guest has put requests into the queue
  shared_fd call;  // tells the guest of answers; null: it looks by itself
  shared_fd error; // tells the VMM that the queue is broken; may be null
  std::optional<vhost_user::inflight_log> log;
  std::vector<std::uint16_t> again; // heads that a daemon before this one left unanswered
  fuse::session_terms terms;
  caf::actor router;
  caf::actor session;
};

/// A guest's INIT: the session settles it for all queues and answers with an fs_reply to the port.
struct settle_terms {
  std::vector<std::byte> request;
  caf::actor port;
  std::uint32_t slot = 0;
};
/// Requests that come after this are answered under these terms. Answer: terms_taken.
struct take_terms {
  fuse::session_terms terms;
};
struct terms_taken {};

/// The guest's memory has another map. Answer: memory_taken; only requests under way use the old one then.
struct take_memory {
  virtio::guest_memory::shared memory;
};
struct memory_taken {};

/// Answers are told of here from now on; null: the guest looks by itself.
struct take_call {
  shared_fd call;
};

/// The port's word to itself: tell the guest of what was answered.
struct announce_answers {};

/// Take no more requests. Answer: queue_stopped, once those under way are answered.
struct stop_queue {};
/// Answer what is under way with EIO, after stop_queue. Answer: queue_stopped, at once.
struct abandon_queue {};
struct queue_stopped {
  std::uint16_t next_available = 0;
};

/// fs_reply (from router and mounts)
/// interrupt_request, know_siblings (as fuse_port)
/// list_inflight -> inflight_list; list_slowest -> slow_request_list
/// take_terms -> terms_taken; take_memory -> memory_taken; take_call
/// stop_queue, abandon_queue -> queue_stopped
/// Ends on an exit message: what is under way is then dropped, and with it the guest's memory.
///
/// A queue whose rings are wrong is broken: that is logged, the VMM is told, and nothing more is taken from
/// it.
caf::actor spawn_virtqueue_port(caf::actor_system& system, reactor& home, virtqueue_port_parts parts);

} // namespace nydus
