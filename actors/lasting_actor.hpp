// SPDX-License-Identifier: Apache-2.0
// An actor that outlives what its handlers throw: whoever waits is told, the actor starts anew, and its
// address and mailbox stay, so that nobody has to learn of another one. Neighbours: observed_actor counts its
// restarts.
#pragma once

#include <exception>
#include <string>

#include "actors/observed_actor.hpp"

namespace nydus {

class lasting_actor : public observed_actor {
public:
  /// Messages that it has no handler for, and errors that it did not ask for, are logged: CAF would print the
  /// ones and end an actor for the others, and whoever sends to it then waits for ever.
  lasting_actor(caf::actor_config& config, std::string kind, std::string name);

  /// Handles one message. If that throws: it is logged and counted, a request is answered `abandoned`, and
  /// start_anew() does the rest. A restart is caused by a message and costs as much, so there is no limit.
  caf::invoke_message_result consume(caf::mailbox_element& message) override;

  /// Does `work` that no message has called for: a descriptor's. If that throws, it is logged and counted,
  /// and the result is what `rescue` gives, which must not throw. On the actor's thread.
  template <class Work, class Rescue>
  auto survive(Work&& work, Rescue&& rescue) noexcept -> decltype(work()) {
    try {
      return work();
    } catch (const std::exception& thrown) {
      note_failure(thrown.what());
    } catch (...) {
      note_failure(unnamed_failure);
    }
    return rescue();
  }

protected:
  /// The handler of `lost` threw: what is left of the state and, if the handler changed it, of the message is
  /// unknown. Tells all who still wait for an answer that they get none, `lost`'s sender too, and makes the
  /// state as it was at first. By default: nobody waits in it, and what state there is stays. The process
  /// ends if this throws: it could only hang.
  virtual void start_anew(const caf::type_erased_tuple&) noexcept {}

  /// The message, if it is a Message.
  template <class Message>
  static const Message* as(const caf::type_erased_tuple& lost) {
    return lost.match_elements<Message>() ? &lost.get_as<Message>(0) : nullptr;
  }

private:
  bool consume_hot(caf::mailbox_element& message) final;

  static constexpr const char* unnamed_failure = "something that is no std::exception";

  void note_failure(const std::string& why) noexcept;
  void recover(caf::mailbox_element& message, const std::string& why);
};

} // namespace nydus
