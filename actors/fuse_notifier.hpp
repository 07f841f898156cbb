// SPDX-License-Identifier: Apache-2.0
// Tells the kernel which names and listings are stale. In a thread of its own: the kernel takes directory
// locks that a request to us may hold, so a reactor must not do it.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include "actors/route_table.hpp"

namespace nydus {

/// Answer: cache_dropped, once the kernel will ask again.
struct drop_cache {
  table_change change;
};
struct cache_dropped {};

/// `fd`: of the session, borrowed until the actor has ended.
caf::actor spawn_fuse_notifier(caf::actor_system& system, int fd);

} // namespace nydus
