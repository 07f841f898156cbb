// SPDX-License-Identifier: Apache-2.0
// What every actor of the daemon is made of: an event-based actor whose mailbox and work are counted, since
// CAF's own profiler is compiled out of Debian's package. The census (actor_census) shows the counters.
#pragma once

#include <caf/event_based_actor.hpp>

#include <memory>
#include <string>

#include "actors/actor_counters.hpp"

namespace nydus {

class observed_actor : public caf::event_based_actor {
public:
  /// `kind`: the class in one word. `name`: whose it is; may be empty.
  observed_actor(caf::actor_config& config, std::string kind, std::string name);
  ~observed_actor() override;

  const char* name() const final { return counters_->kind.c_str(); }

  void launch(caf::execution_unit* unit, bool lazy, bool hide) override;
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* unit) override;
  resume_result resume(caf::execution_unit* unit, std::size_t most_messages) override;
  caf::invoke_message_result consume(caf::mailbox_element& message) override;

protected:
  /// Takes one of the messages that every request brings (hot_message.hpp). False, and nothing has happened:
  /// CAF finds its handler.
  virtual bool take_hot(caf::mailbox_element&) { return false; }
  /// take_hot(), and whatever has to be done if that throws. It must not quit the actor.
  virtual bool consume_hot(caf::mailbox_element& message) { return take_hot(message); }

  actor_counters& counters() noexcept { return *counters_; }

private:
  resume_result take_turn(caf::execution_unit* unit, std::size_t most_messages);

  std::shared_ptr<actor_counters> counters_;
  std::uint32_t turns_ = 0; // of this actor; one of some is timed
};

} // namespace nydus
