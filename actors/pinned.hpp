// SPDX-License-Identifier: Apache-2.0
// An actor that always runs on one reactor, whoever sends to it: what ports and routers are.
#pragma once

#include <caf/actor_system.hpp>
#include <caf/make_actor.hpp>

#include <string>
#include <utility>

#include "actors/lasting_actor.hpp"
#include "actors/reactor.hpp"

namespace nydus {

class pinned_actor : public lasting_actor {
public:
  pinned_actor(caf::actor_config& config, reactor& home, std::string kind)
      : lasting_actor(config, std::move(kind), home.name()), home_(home) {}

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    lasting_actor::enqueue(std::move(what), &home_);
  }
  void launch(caf::execution_unit*, bool lazy, bool hide) override {
    lasting_actor::launch(&home_, lazy, hide);
  }

  reactor& home() noexcept { return home_; }

private:
  reactor& home_;
};

/// Starts an Actor (a pinned_actor) on `home`; the reactor must outlive it. May be called from any thread.
template <class Actor, class... Parts>
caf::actor spawn_pinned(caf::actor_system& system, reactor& home, Parts&&... parts) {
  caf::actor_config config{&home};
  auto handle = caf::make_actor<Actor, caf::actor>(system.next_actor_id(), system.node(), &system, config,
                                                   home, std::forward<Parts>(parts)...);
  caf::actor_cast<Actor*>(handle)->launch(&home, false, false);
  return handle;
}

} // namespace nydus
