// SPDX-License-Identifier: Apache-2.0
// What runs in the daemon now, as JSON text: actors, reactors, backends and what waits in mounts. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "actors/actor_census.hpp"
#include "actors/mount_messages.hpp"
#include "actors/reactor.hpp"

namespace nydus {

struct running_parts {
  actor_list actors;
  std::vector<const reactor*> reactors;
  backend_list backends;
  mount_list mounts;
  std::uint64_t now = 0; // nanoseconds of the steady clock
};

std::string actors_text(const running_parts& parts);

} // namespace nydus
