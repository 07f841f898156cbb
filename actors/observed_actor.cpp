// SPDX-License-Identifier: Apache-2.0
#include "actors/observed_actor.hpp"

#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include "actors/actor_census.hpp"
#include "actors/message_types.hpp"
#include "actors/reactor.hpp"
#include "actors/request_times.hpp"

namespace nydus {

namespace {

// The first turns are all timed, then one of so many stands for them all: two looks at the clock cost as much
// as a short turn.
constexpr std::uint32_t always_timed = 64;
constexpr std::uint32_t turns_per_sample = 32;

/// For a counter that only one thread at a time writes: no locked instruction is needed.
void raise(std::atomic<std::uint64_t>& total, std::uint64_t amount) noexcept {
  total.store(total.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

} // namespace

observed_actor::observed_actor(caf::actor_config& config, std::string kind, std::string name)
    : caf::event_based_actor(config),
      counters_(std::make_shared<actor_counters>(id(), std::move(kind), std::move(name))) {}

observed_actor::~observed_actor() {
  counters_->has_ended.store(true, std::memory_order_relaxed);
}

void observed_actor::launch(caf::execution_unit* unit, bool lazy, bool hide) {
  counters_->has_own_thread.store(getf(is_detached_flag), std::memory_order_relaxed);
  if (const auto census = find_census(home_system()))
    caf::anon_send(census, count_actor{counters_});
  caf::event_based_actor::launch(unit, lazy, hide);
}

void observed_actor::enqueue(caf::mailbox_element_ptr what, caf::execution_unit* unit) {
  const auto in = counters_->received.fetch_add(1, std::memory_order_relaxed) + 1;
  const auto out = counters_->handled.load(std::memory_order_relaxed);
  if (in > out && in - out > counters_->deepest.load(std::memory_order_relaxed))
    counters_->deepest.store(in - out, std::memory_order_relaxed);
  caf::event_based_actor::enqueue(std::move(what), unit);
}

caf::resumable::resume_result observed_actor::resume(caf::execution_unit* unit, std::size_t most_messages) {
  counters_->last_place.store(reactor::current(), std::memory_order_relaxed);
  const auto turn = turns_++;
  const std::uint32_t weight = turn < always_timed ? 1 : turn % turns_per_sample == 0 ? turns_per_sample : 0;
  if (weight == 0)
    return take_turn(unit, most_messages);
  const auto begin = now_nanoseconds();
  const auto outcome = take_turn(unit, most_messages);
  raise(counters_->busy, (now_nanoseconds() - begin) * weight);
  return outcome;
}

/// Hot messages at the head of the mailbox are taken right here: CAF's turn goes over four queues twice, asks
/// for the time and looks for streams and timeouts, none of which they need. The first other message is
/// CAF's, and so is all that is behind it, since messages are taken in the order in which they came.
caf::resumable::resume_result observed_actor::take_turn(caf::execution_unit* unit,
                                                        std::size_t most_messages) {
  if (getf(is_initialized_flag)) {
    context(unit);
    auto& waiting = get_normal_queue();
    for (std::size_t taken = 0; taken < most_messages; ++taken) {
      mailbox().fetch_more();
      auto* const first = waiting.peek();
      if (first == nullptr && mailbox().try_block())
        return awaiting_message;
      if (first == nullptr || !get_urgent_queue().empty() || !consume_hot(*first))
        break;
      raise(counters_->handled, 1);
      (void) waiting.take_front();
    }
  }
  return caf::event_based_actor::resume(unit, most_messages);
}

caf::invoke_message_result observed_actor::consume(caf::mailbox_element& message) {
  raise(counters_->handled, 1);
  if (take_hot(message))
    return caf::invoke_message_result::consumed;
  return caf::event_based_actor::consume(message);
}

} // namespace nydus
