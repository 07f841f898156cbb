// SPDX-License-Identifier: Apache-2.0
// An actor that may wait for what it works with, in a thread of its own, which a process may not get: a
// container's tasks are limited. Neighbours: blob_reader and image_opener are such.
#pragma once

#include <caf/actor_system.hpp>

#include <system_error>
#include <utility>

#include "actors/lasting_actor.hpp"
#include "protocol/result.hpp"

namespace nydus {

class threaded_actor : public lasting_actor {
public:
  using lasting_actor::lasting_actor;

  /// Throws std::system_error if there is no thread, and leaves nothing behind then.
  void launch(caf::execution_unit* unit, bool lazy, bool hide) override;
};

/// Starts an Actor (a threaded_actor). unavailable if the process gets no more threads.
template <class Actor, class... Parts>
result<caf::actor> spawn_threaded(caf::actor_system& system, Parts&&... parts) {
  try {
    return caf::actor{system.spawn<Actor, caf::detached>(std::forward<Parts>(parts)...)};
  } catch (const std::system_error& why) {
    return failure{errc::unavailable, std::string{"start a thread: "} + why.what()};
  }
}

} // namespace nydus
