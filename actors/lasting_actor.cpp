// SPDX-License-Identifier: Apache-2.0
#include "actors/lasting_actor.hpp"

#include <exception>

#include "actors/error_code.hpp"
#include "actors/log_line.hpp"

namespace nydus {

caf::invoke_message_result lasting_actor::consume(caf::mailbox_element& message) {
  try {
    return observed_actor::consume(message);
  } catch (const std::exception& thrown) {
    recover(message, thrown.what());
  } catch (...) {
    recover(message, "something that is no std::exception");
  }
  return caf::invoke_message_result::consumed;
}

void lasting_actor::recover(caf::mailbox_element& message, const std::string& why) {
  log_line(log_level::error, counters().kind + (counters().name.empty() ? "" : " of " + counters().name) +
                                 " failed and starts anew: " + why);
  counters().restarts.fetch_add(1, std::memory_order_relaxed);
  if (message.mid.is_request() && !message.mid.is_answered())
    make_response_promise().deliver(to_error({errc::abandoned, counters().kind + " failed: " + why}));
  start_anew(message.content());
}

} // namespace nydus
