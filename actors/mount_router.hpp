// SPDX-License-Identifier: Apache-2.0
// Sends each request to its mount, and serves the pseudo-directories itself. One per reactor, so that a
// request finds its router on its own thread; each has a table of its own, and all take the same steps.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include "actors/reactor.hpp"
#include "actors/route_table.hpp"

namespace nydus {

/// A step of the table. Requests that are sent after it are routed by the changed one. No answer.
struct take_route {
  route_step step;
};
/// The same for who has to know that no request comes by the old table any more. Answer: route_changed.
struct change_route {
  route_step step;
};
struct route_changed {};

/// fs_request -> fs_reply to its port, from here or from a mount
/// take_route; change_route -> route_changed
caf::actor spawn_mount_router(caf::actor_system& system, reactor& home);

} // namespace nydus
