// SPDX-License-Identifier: Apache-2.0
#include "actors/lasting_actor.hpp"

#include <caf/all.hpp>
#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <utility>

#include "actors/actor_census.hpp"
#include "actors/error_code.hpp"
#include "actors/message_types.hpp"
#include "actors/pinned.hpp"
#include "actors/reactor.hpp"
#include "protocol/unique_fd.hpp"

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

/// Counts the events of a descriptor, and breaks at each second one.
class counter_of_events : public pinned_actor {
public:
  counter_of_events(caf::actor_config& config, reactor& home, int fd)
      : pinned_actor(config, home, "counter_of_events"), fd_(fd) {}

  caf::behavior make_behavior() override {
    home().watch(fd_, EPOLLIN, [this](std::uint32_t) {
      return survive([this] { return take(); }, [this] { return ++lost_, false; });
    });
    return {[this](int) { return std::make_pair(taken_, lost_); }};
  }

private:
  bool take() {
    std::uint64_t events = 0;
    (void) !::read(fd_, &events, sizeof events);
    if ((taken_ + lost_) % 2 == 1)
      throw std::runtime_error{"a second event"};
    ++taken_;
    return false;
  }

  int fd_;
  int taken_ = 0;
  int lost_ = 0;
};

} // namespace

TEST_CASE("a descriptor's handler that throws is rescued, and the reactor goes on") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  const unique_fd event{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  reactor home{system, "home", -1};
  const auto target = spawn_pinned<counter_of_events>(system, home, event.get());
  home.start();
  caf::scoped_actor asker{system};
  for (int i = 0; i < 10; ++i) {
    const std::uint64_t one = 1;
    REQUIRE(::write(event.get(), &one, sizeof one) == sizeof one);
    const auto end = std::chrono::steady_clock::now() + 10s;
    for (int seen = -1; seen <= i;) {
      REQUIRE(std::chrono::steady_clock::now() < end);
      asker->request(target, 10s, 0)
          .receive(
              [&](const std::pair<int, int>& counts) {
                seen = counts.first + counts.second;
                CHECK(counts.second <= counts.first);
              },
              [](const caf::error&) { FAIL("no answer"); });
    }
  }
  asker->send_exit(target, caf::exit_reason::user_shutdown);
  asker->wait_for(target);
  home.stop();
}

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
