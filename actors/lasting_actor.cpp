// SPDX-License-Identifier: Apache-2.0
#include "actors/lasting_actor.hpp"

#include <caf/message_view.hpp>
#include <caf/sec.hpp>

#include "actors/error_code.hpp"
#include "actors/log_line.hpp"

namespace nydus {

namespace {

/// What `work` gives or, if it throws, what `rescue` gives, which is told why: `unnamed` if nothing says.
template <class Work, class Rescue>
auto outcome_of(Work work, Rescue rescue, const char* unnamed) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& thrown) {
    return rescue(thrown.what());
  } catch (...) {
    return rescue(unnamed);
  }
}

} // namespace

lasting_actor::lasting_actor(caf::actor_config& config, std::string kind, std::string name)
    : observed_actor(config, std::move(kind), std::move(name)) {
  const auto title = counters().kind;
  set_default_handler([title](caf::scheduled_actor*, caf::message_view&) -> caf::result<caf::message> {
    log_line(log_level::error, title + " was sent a message that it does not know");
    return caf::sec::unexpected_message;
  });
  set_error_handler([title](caf::scheduled_actor*, caf::error& why) {
    log_line(log_level::error, title + " was sent an error: " + to_failure(why).detail);
  });
}

caf::invoke_message_result lasting_actor::consume(caf::mailbox_element& message) {
  return outcome_of([&] { return observed_actor::consume(message); },
                    [&](const char* why) {
                      recover(message, why);
                      return caf::invoke_message_result::consumed;
                    },
                    unnamed_failure);
}

bool lasting_actor::consume_hot(caf::mailbox_element& message) {
  return outcome_of([&] { return take_hot(message); },
                    [&](const char* why) {
                      recover(message, why);
                      return true;
                    },
                    unnamed_failure);
}

void lasting_actor::note_failure(const std::string& why) noexcept {
  log_line(log_level::error, counters().kind + (counters().name.empty() ? "" : " of " + counters().name) +
                                 " failed and starts anew: " + why);
  counters().restarts.fetch_add(1, std::memory_order_relaxed);
}

void lasting_actor::recover(caf::mailbox_element& message, const std::string& why) {
  note_failure(why);
  if (message.mid.is_request() && !message.mid.is_answered())
    make_response_promise().deliver(to_error({errc::abandoned, counters().kind + " failed: " + why}));
  start_anew(message.content());
}

} // namespace nydus
