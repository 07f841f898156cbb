// SPDX-License-Identifier: Apache-2.0
// The actor that knows all observed actors, so that an operator can look at each of them while it works.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <memory>
#include <string>
#include <vector>

#include "actors/actor_counters.hpp"

namespace nydus {

/// An actor starts; sent by observed_actor itself.
struct count_actor {
  std::shared_ptr<const actor_counters> counters;
};

/// Answer: actor_list, by kind and name.
struct list_actors {};
struct actor_facts {
  std::shared_ptr<const actor_counters> counters;
  /// Messages handled per second since the list was asked for a second ago or longer, or since the actor
  /// started: how many ask makes no difference.
  double rate = 0;
};
struct actor_list {
  std::vector<actor_facts> actors;
};

/// count_actor; list_actors -> actor_list
/// The first one of a system is its census: actors that start later are counted. It runs on `home`, the
/// reactor from which most actors are started, so that counting one wakes nobody; without it, anywhere.
caf::actor spawn_actor_census(caf::actor_system& system, caf::execution_unit* home = nullptr);
/// Null if the system has none, as in most tests.
caf::actor find_census(caf::actor_system& system);
/// Has to come before the system is destroyed.
void end_actor_census(caf::actor_system& system);

} // namespace nydus
