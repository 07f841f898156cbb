// SPDX-License-Identifier: Apache-2.0
#include "actors/observed_actor.hpp"

#include <caf/all.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "actors/fs_request.hpp"
#include "actors/hot_message.hpp"
#include "actors/lasting_actor.hpp"
#include "actors/message_types.hpp"
#include "actors/pinned.hpp"
#include "actors/reactor.hpp"

using namespace nydus;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("actors/observed_actor");

namespace {

struct list_taken {};
using numbers = std::vector<int>;

} // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(list_taken)

namespace {

/// Notes the numbers that it is sent, hot ones (fs_reply::slot) and others, and breaks at some of the hot
/// ones.
class note_taker : public pinned_actor {
public:
  note_taker(caf::actor_config& config, reactor& home) : pinned_actor(config, home, "note_taker") {}

  caf::behavior make_behavior() override {
    return {
        [this](int number) { taken_.push_back(number); },
        [this](const list_taken&) { return taken_; },
    };
  }

private:
  bool take_hot(caf::mailbox_element& message) override {
    const auto* reply = message_as<fs_reply>(message);
    if (reply == nullptr)
      return false;
    taken_.push_back(static_cast<int>(reply->slot));
    if (reply->error != 0)
      throw std::runtime_error{"a broken reply"};
    return true;
  }

  numbers taken_;
};

numbers taken_by(const caf::actor& target, caf::actor_system& system) {
  numbers taken;
  caf::scoped_actor asker{system};
  asker->request(target, 10s, list_taken{})
      .receive([&](const numbers& all) { taken = all; }, [](const caf::error&) { FAIL("no answer"); });
  return taken;
}

/// Sends `number` as one of three kinds of message.
void send_number(const caf::actor& target, int number) {
  if (number % 3 == 0)
    caf::anon_send(target, number);
  else
    hand_on(target, nullptr, fs_reply{static_cast<std::uint32_t>(number), number % 7 == 0 ? EIO : 0, {}, {}});
}

} // namespace

TEST_CASE("hot messages and others are taken in the order in which they were sent, whatever breaks") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  reactor home{system, "home", -1};
  const auto target = spawn_pinned<note_taker>(system, home);
  constexpr int count = 1000; // more than one turn takes
  for (int number = 0; number < count / 2; ++number)
    send_number(target, number); // before the actor has begun
  home.start();
  for (int number = count / 2; number < count; ++number)
    send_number(target, number);
  numbers expected(count);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(taken_by(target, system) == expected);
  // Hot ones alone: nothing is left waiting when a turn is used up.
  for (int number = count; number < 2 * count; ++number) {
    hand_on(target, nullptr, fs_reply{static_cast<std::uint32_t>(number), 0, {}, {}});
    expected.push_back(number);
  }
  CHECK(taken_by(target, system) == expected);
  caf::anon_send_exit(target, caf::exit_reason::user_shutdown);
  caf::scoped_actor waiter{system};
  waiter->wait_for(target);
  home.stop();
}

TEST_CASE("of several threads that send hot messages at once none is lost, and each one's keep their order") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  reactor home{system, "home", -1};
  const auto target = spawn_pinned<note_taker>(system, home);
  home.start();
  constexpr int threads = 4, each = 5000;
  {
    std::vector<std::jthread> senders;
    for (int thread = 0; thread < threads; ++thread)
      senders.emplace_back([&, thread] {
        for (int i = 0; i < each; ++i)
          send_number(target, thread * each + i);
      });
  }
  const auto taken = taken_by(target, system);
  REQUIRE(taken.size() == threads * each);
  numbers last(threads, -1);
  for (const auto number : taken) {
    auto& before = last[static_cast<std::size_t>(number / each)];
    CHECK(number > before);
    before = number;
  }
  caf::anon_send_exit(target, caf::exit_reason::user_shutdown);
  caf::scoped_actor waiter{system};
  waiter->wait_for(target);
  home.stop();
}
