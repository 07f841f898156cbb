// SPDX-License-Identifier: Apache-2.0
// Sends each request to its mount, and serves the pseudo-directories itself. One per reactor, so that a
// request finds its router on its own thread; all share one table.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include "actors/reactor.hpp"
#include "actors/route_table.hpp"

namespace nydus {

/// Requests that come after this are routed by `table`. Answer: routes_taken.
struct take_routes {
  routes table;
};
struct routes_taken {};

/// fs_request -> fs_reply to its port, from here or from a mount
/// take_routes -> routes_taken
caf::actor spawn_mount_router(caf::actor_system& system, reactor& home);

} // namespace nydus
