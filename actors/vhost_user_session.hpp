// SPDX-License-Identifier: Apache-2.0
// The VMM's side of virtio-fs: listens on the vhost-user socket and serves one VMM at a time, one after the
// other. Neighbours: vmm_conversation carries out what a VMM asks for, queue_ports are its queues' ports.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <vector>

#include "actors/queue_ports.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus {

struct vhost_user_session_parts {
  unique_fd listener;             // from listen_at()
  std::vector<port_place> places; // queues are spread over them; the session itself lives at the first
};

/// From the session to itself: connections are taken again.
struct listen_again {};

/// settle_terms (from a port)
/// list_inflight -> inflight_list, list_slowest -> slow_request_list: of all queues
/// close_port -> port_closed: no VMM is heard any more, and the queues end
/// A VMM that breaks the protocol is hung up on; the next one may come.
caf::actor spawn_vhost_user_session(caf::actor_system& system, vhost_user_session_parts parts);

} // namespace nydus
