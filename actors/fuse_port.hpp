// SPDX-License-Identifier: Apache-2.0
// The port of one reactor to /dev/fuse: reads requests, hands them to the router, and moves the bytes of the
// answers.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <functional>
#include <vector>

#include "actors/reactor.hpp"
#include "protocol/fuse/init_handshake.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus {

struct fuse_port_parts {
  unique_fd fd; // a clone of the session's descriptor, non-blocking
  fuse::session_terms terms;
  caf::actor router;
  /// Called once, on the reactor, when the kernel has ended the session.
  std::function<void()> session_ended;
};

/// The other ports of the session: an INTERRUPT may reach a port that has not the request.
struct know_siblings {
  std::vector<caf::actor> ports;
};
/// Stop reading requests. Answer: port_closed; what is under way is still answered.
struct close_port {};
struct port_closed {};

/// fs_reply (from router and mounts)
/// interrupt_request, know_siblings
/// list_inflight -> inflight_list; list_slowest -> slow_request_list
/// close_port -> port_closed
caf::actor spawn_fuse_port(caf::actor_system& system, reactor& home, fuse_port_parts parts);

} // namespace nydus
