// SPDX-License-Identifier: Apache-2.0
#include "actors/lasting_actor.hpp"

#include <caf/all.hpp>
#include <doctest/doctest.h>

#include <stdexcept>

#include "actors/actor_census.hpp"
#include "actors/error_code.hpp"
#include "actors/message_types.hpp"

using namespace nydus;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("actors/lasting_actor");

namespace {

/// Adds numbers up, and breaks at a negative one.
class adder : public lasting_actor {
public:
  explicit adder(caf::actor_config& config) : lasting_actor(config, "adder", "the test") {}

  caf::behavior make_behavior() override {
    return {[this](int number) {
      if (number < 0)
        throw std::out_of_range{"a negative number"};
      return total_ += number;
    }};
  }

private:
  void start_anew(const caf::type_erased_tuple& lost) noexcept override {
    const auto* number = as<int>(lost);
    total_ = number == nullptr ? 0 : -*number;
  }

  int total_ = 0;
};

} // namespace

TEST_CASE("an actor whose handler throws answers that request with why, and goes on anew at its address") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  const auto census = spawn_actor_census(system);
  caf::scoped_actor asker{system};
  const auto target = system.spawn<adder>();
  const auto ask = [&](int number) {
    int total = -1;
    asker->request(target, 10s, number)
        .receive([&](int answer) { total = answer; },
                 [&](const caf::error& why) {
                   const auto told = to_failure(why);
                   CHECK(told.code == errc::abandoned);
                   CHECK(told.detail == "adder failed: a negative number");
                 });
    return total;
  };
  CHECK(ask(3) == 3);
  CHECK(ask(4) == 7);
  CHECK(ask(-100) == -1);
  CHECK(ask(1) == 101); // begun anew, with what it made of the lost message
  for (int i = 0; i < 1000; ++i)
    asker->send(target, -1); // nobody waits for these
  CHECK(ask(2) == 3);
  // What nobody should send it does not end it either.
  for (int i = 0; i < 3; ++i) {
    asker->send(target, to_error({errc::corrupt, "an error that nobody asked for"}));
    asker->send(target, std::string{"a message that it does not know"});
  }
  CHECK(ask(4) == 7);
  asker->request(census, 10s, list_actors{})
      .receive(
          [](const actor_list& list) {
            REQUIRE(list.actors.size() == 1);
            CHECK(list.actors[0].counters->restarts == 1001);
          },
          [](const caf::error&) { FAIL("no list"); });
  caf::anon_send_exit(target, caf::exit_reason::user_shutdown);
  end_actor_census(system);
}
