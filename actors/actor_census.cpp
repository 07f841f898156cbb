// SPDX-License-Identifier: Apache-2.0
#include "actors/actor_census.hpp"

#include <caf/actor_registry.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <tuple>
#include <utility>

#include "actors/message_types.hpp"
#include "actors/request_times.hpp"

namespace nydus {

namespace {

constexpr auto registered_name = caf::atom("census");
// The ended are dropped when so many have come since the last time.
constexpr std::size_t newcomers_per_sweep = 256;

// Nanoseconds that a rate is measured over, at least.
constexpr std::uint64_t shortest_span = 1'000'000'000;

/// What an actor had done when the list was asked for.
struct sample {
  std::uint64_t at = 0; // nanoseconds
  std::uint64_t handled = 0;
};

struct counted {
  std::shared_ptr<const actor_counters> counters;
  sample before, last; // `before` is what the rate is measured from

  double rate_at(const sample& now) {
    if (now.at - last.at >= shortest_span)
      before = std::exchange(last, now);
    const auto seconds = static_cast<double>(now.at - before.at) * 1e-9;
    return seconds > 0 ? static_cast<double>(now.handled - before.handled) / seconds : 0;
  }
};

class actor_census : public caf::event_based_actor {
public:
  actor_census(caf::actor_config& config, caf::execution_unit* home)
      : caf::event_based_actor(config), home_(home) {}

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* unit) override {
    caf::event_based_actor::enqueue(std::move(what), home_ != nullptr ? home_ : unit);
  }
  void launch(caf::execution_unit* unit, bool lazy, bool hide) override {
    caf::event_based_actor::launch(home_ != nullptr ? home_ : unit, lazy, hide);
  }

  const char* name() const override { return "actor_census"; }

  caf::behavior make_behavior() override {
    return {
        [this](const count_actor& starts) { count(starts); },
        [this](const list_actors&) { return list(); },
    };
  }

private:
  void count(const count_actor& starts) {
    const sample start{now_nanoseconds(), 0};
    all_.push_back({starts.counters, start, start});
    if (++newcomers_ < std::max(newcomers_per_sweep, all_.size() / 2))
      return;
    sweep();
  }

  void sweep() {
    newcomers_ = 0;
    std::erase_if(all_, [](const counted& one) { return one.counters->has_ended.load(); });
  }

  actor_list list() {
    sweep();
    actor_list answer;
    const auto now = now_nanoseconds();
    for (auto& one : all_)
      answer.actors.push_back(
          {one.counters, one.rate_at({now, one.counters->handled.load(std::memory_order_relaxed)})});
    std::sort(answer.actors.begin(), answer.actors.end(), [](const actor_facts& a, const actor_facts& b) {
      return std::tie(a.counters->kind, a.counters->name, a.counters->id) <
             std::tie(b.counters->kind, b.counters->name, b.counters->id);
    });
    return answer;
  }

  caf::execution_unit* home_;
  std::vector<counted> all_;
  std::size_t newcomers_ = 0;
};

} // namespace

caf::actor spawn_actor_census(caf::actor_system& system, caf::execution_unit* home) {
  auto census = system.spawn<actor_census, caf::hidden>(home); // the system does not wait for it
  system.registry().put(registered_name, census);
  return census;
}

caf::actor find_census(caf::actor_system& system) {
  return caf::actor_cast<caf::actor>(system.registry().get(registered_name));
}

void end_actor_census(caf::actor_system& system) {
  caf::anon_send_exit(find_census(system), caf::exit_reason::user_shutdown);
  system.registry().erase(registered_name);
}

} // namespace nydus
