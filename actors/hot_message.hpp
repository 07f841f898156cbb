// SPDX-License-Identifier: Apache-2.0
// What every request pays for, made cheap: fs_request and fs_reply are handed on without a sender, and taken
// without CAF's turn, search for a handler and preparations for an answer, which together cost as much as the
// work itself. Neighbours: observed_actor asks its actors first, then CAF.
#pragma once

#include <caf/actor.hpp>
#include <caf/execution_unit.hpp>
#include <caf/mailbox_element.hpp>

#include <type_traits>
#include <typeinfo>
#include <utility>

namespace nydus {

/// The message's one value, if it is a Message; else null. It may be moved from.
template <class Message>
Message* message_as(caf::mailbox_element& message) noexcept {
  using element = caf::mailbox_element_vals<Message>;
  if (typeid(message) != typeid(element))
    return nullptr;
  return &static_cast<element&>(message).template get_mutable_as<Message>(0);
}

/// Sends `message` on behalf of nobody. `here`: who runs now, so that a floating `to` runs here too.
template <class Message>
void hand_on(const caf::actor& to, caf::execution_unit* here, Message&& message) {
  static_assert(!std::is_lvalue_reference_v<Message>, "it is moved");
  to->enqueue(caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, std::move(message)), here);
}

} // namespace nydus
