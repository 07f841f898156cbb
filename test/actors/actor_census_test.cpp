// SPDX-License-Identifier: Apache-2.0
#include "actors/actor_census.hpp"

#include <caf/all.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "actors/message_types.hpp"
#include "actors/observed_actor.hpp"
#include "actors/pinned.hpp"

using namespace nydus;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("actors/actor_census");

namespace {

/// Answers every number, once it may.
class slow_echo : public observed_actor {
public:
  slow_echo(caf::actor_config& config, std::string whose, std::atomic<bool>& is_held)
      : observed_actor(config, "slow_echo", std::move(whose)), is_held_(is_held) {}

  caf::behavior make_behavior() override {
    return {[this](int number) {
      while (is_held_)
        std::this_thread::sleep_for(1ms);
      return number;
    }};
  }

private:
  std::atomic<bool>& is_held_;
};

actor_list list_of(caf::scoped_actor& asker, const caf::actor& census) {
  actor_list got;
  asker->request(census, 10s, list_actors{})
      .receive([&](const actor_list& list) { got = list; }, [](const caf::error&) { FAIL("no list"); });
  return got;
}

const actor_counters* find(const actor_list& list, const std::string& name) {
  for (const auto& one : list.actors)
    if (one.counters->name == name)
      return one.counters.get();
  return nullptr;
}

} // namespace

TEST_CASE("who asks right after another one sees the same rate") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  const auto census = spawn_actor_census(system);
  caf::scoped_actor asker{system};
  std::atomic<bool> is_held{false};
  auto echo = system.spawn<slow_echo, caf::detached>("watched", is_held);
  for (int i = 0; i < 100; ++i)
    asker->request(echo, 10s, i).receive([](int) {}, [](const caf::error&) { FAIL("no answer"); });
  const auto rate = [&] {
    for (const auto& one : list_of(asker, census).actors)
      if (one.counters->name == "watched")
        return one.rate;
    return 0.0;
  };
  const auto first = rate(), second = rate();
  CHECK(first > 0);
  CHECK(second > 0);
  std::this_thread::sleep_for(1100ms);
  (void) rate(); // from here on nothing is handled
  std::this_thread::sleep_for(1100ms);
  (void) rate();
  CHECK(rate() == 0);
  caf::anon_send_exit(echo, caf::exit_reason::user_shutdown);
  end_actor_census(system);
}

TEST_CASE("an actor is listed with its messages, those that wait and the most that ever did") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  const auto census = spawn_actor_census(system);
  caf::scoped_actor asker{system};
  std::atomic<bool> is_held{true};
  auto echo = system.spawn<slow_echo, caf::detached>("first", is_held);
  for (int i = 0; i < 10; ++i)
    asker->send(echo, i);
  auto list = list_of(asker, census);
  const auto* counters = find(list, "first");
  REQUIRE(counters != nullptr);
  CHECK(counters->kind == "slow_echo");
  CHECK(counters->received == 10);
  CHECK(counters->depth() >= 9); // one may be in its hands
  CHECK(counters->has_own_thread);
  is_held = false;
  for (int i = 0; i < 10; ++i)
    asker->receive([](int) {}, caf::after(10s) >> [] { FAIL("no answer"); });
  list = list_of(asker, census);
  counters = find(list, "first");
  REQUIRE(counters != nullptr);
  CHECK(counters->handled == 10);
  CHECK(counters->depth() == 0);
  CHECK(counters->deepest >= 9);
  for (int i = 0; i < 1000 && counters->busy == 0; ++i) // counted once its turn has ended
    std::this_thread::sleep_for(1ms);
  CHECK(counters->busy > 0);

  caf::anon_send_exit(echo, caf::exit_reason::user_shutdown);
  asker->wait_for(echo);
  echo = nullptr;
  for (int i = 0; i < 1000 && find(list_of(asker, census), "first") != nullptr; ++i)
    std::this_thread::sleep_for(1ms);
  CHECK(find(list_of(asker, census), "first") == nullptr);
  end_actor_census(system);
}

TEST_CASE("actors that come and go leave nothing behind in the census") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  const auto census = spawn_actor_census(system);
  caf::scoped_actor asker{system};
  std::atomic<bool> is_held{false};
  for (int i = 0; i < 2000; ++i) {
    auto echo = system.spawn<slow_echo>("passing", is_held);
    caf::anon_send_exit(echo, caf::exit_reason::user_shutdown);
  }
  auto list = list_of(asker, census);
  for (int i = 0; i < 1000 && !list.actors.empty(); ++i) {
    std::this_thread::sleep_for(1ms);
    list = list_of(asker, census);
  }
  CHECK(list.actors.empty());
  end_actor_census(system);
}
