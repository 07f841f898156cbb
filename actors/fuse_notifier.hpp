// SPDX-License-Identifier: Apache-2.0
// Tells the kernel which names are gone. In a thread of its own: the kernel takes directory
// locks that a request to us may hold, so a reactor must not do it.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include "actors/route_table.hpp"

namespace nydus {

/// Answer: names_forgotten, once the kernel will ask again.
struct forget_names {
  std::vector<stale_entry> gone;
};
struct names_forgotten {};

/// `fd`: of the session, borrowed until the actor has ended.
caf::actor spawn_fuse_notifier(caf::actor_system& system, int fd);

} // namespace nydus
