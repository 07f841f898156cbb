// SPDX-License-Identifier: Apache-2.0
#include "actors/reactor.hpp"

#include <caf/all.hpp>
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "actors/pinned.hpp"
#include "protocol/unique_fd.hpp"

using namespace nydus;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("actors/reactor");

namespace {

struct count_up {
  int amount;
};
struct where_am_i {};

} // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(count_up)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(where_am_i)

namespace {

struct home_checker : pinned_actor {
  home_checker(caf::actor_config& config, reactor& home, std::atomic<int>& total_, std::atomic<int>& strays_)
      : pinned_actor(config, home, "test"), total(total_), strays(strays_) {}
  caf::behavior make_behavior() override {
    return {
        [this](const count_up& n) {
          if (!home().is_current())
            ++strays;
          total += n.amount;
        },
        [this](const where_am_i&) { return home().is_current(); },
    };
  }
  std::atomic<int>& total;
  std::atomic<int>& strays;
};

template <class Condition>
bool within(std::chrono::seconds limit, Condition condition) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end)
      return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

} // namespace

TEST_CASE("a pinned actor runs on its reactor, whoever sends to it") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  std::atomic<int> total{0}, strays{0};
  reactor home{system, "home", 0};
  home.start();
  {
    auto checker = spawn_pinned<home_checker>(system, home, total, strays);
    auto forwarder = system.spawn([checker](caf::event_based_actor* self) -> caf::behavior {
      return {[=](const count_up& n) { self->send(checker, n); }};
    });
    for (int i = 0; i < 1000; ++i) {
      caf::anon_send(checker, count_up{1});   // from a foreign thread
      caf::anon_send(forwarder, count_up{1}); // from the worker pool
    }
    CHECK(within(10s, [&] { return total == 2000; }));
    CHECK(strays == 0);
    caf::anon_send_exit(checker, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(forwarder, caf::exit_reason::user_shutdown);
    caf::scoped_actor waiter{system};
    waiter->wait_for(checker, forwarder);
  }
  home.stop();
}

TEST_CASE("a floating actor runs on the reactor that its message came from") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  reactor home{system, "home", -1};
  std::atomic<int> here{0}, elsewhere{0};
  auto floating = system.spawn<caf::lazy_init>([&](caf::event_based_actor*) -> caf::behavior {
    return {[&](const count_up&) { home.is_current() ? ++here : ++elsewhere; }};
  });
  const int kick = eventfd(0, EFD_NONBLOCK);
  home.watch(kick, EPOLLIN, [&](std::uint32_t) {
    std::uint64_t n;
    (void) !::read(kick, &n, sizeof n);
    for (int i = 0; i < 100; ++i)
      floating->enqueue(caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, count_up{1}), &home);
    return false;
  });
  home.start();
  const std::uint64_t one = 1;
  (void) !::write(kick, &one, sizeof one);
  CHECK(within(10s, [&] { return here + elsewhere == 100; }));
  CHECK(elsewhere == 0);
  caf::anon_send_exit(floating, caf::exit_reason::user_shutdown);
  caf::scoped_actor waiter{system};
  waiter->wait_for(floating);
  home.stop();
  ::close(kick);
}

TEST_CASE("a handler that may have left something is called again, after the actors it sent to") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  reactor home{system, "home", -1};
  std::atomic<int> total{0}, strays{0}, early{0};
  auto counting = spawn_pinned<home_checker>(system, home, total, strays);
  const int kick = eventfd(0, EFD_NONBLOCK);
  home.watch(kick, EPOLLIN, [&, calls = 0](std::uint32_t) mutable {
    std::uint64_t n;
    (void) !::read(kick, &n, sizeof n);
    if (total != calls)
      ++early;
    counting->enqueue(caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, count_up{1}), &home);
    return ++calls < 10;
  });
  home.start();
  const std::uint64_t one = 1;
  (void) !::write(kick, &one, sizeof one);
  CHECK(within(10s, [&] { return total == 10; }));
  CHECK(early == 0);
  caf::anon_send_exit(counting, caf::exit_reason::user_shutdown);
  caf::scoped_actor waiter{system};
  waiter->wait_for(counting);
  home.stop();
  ::close(kick);
}

TEST_CASE("work that can be foreseen needs no event: none is lost between looking and sleeping") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  reactor home{system, "home", -1};
  const int kick = eventfd(0, EFD_NONBLOCK);
  std::atomic<int> offered{0}, taken{0};
  std::atomic<bool> wants_kick{false};
  const auto is_due = [&] { return offered != taken; };
  home.watch(kick, EPOLLIN | EPOLLET,
             [&](std::uint32_t) {
               wants_kick = false;
               taken = offered.load();
               return false;
             },
             {is_due, [&] {
                wants_kick = true;
                return is_due();
              }});
  home.start();
  int kicks = 0;
  for (int i = 1; i <= 20'000; ++i) {
    offered = i;
    if (wants_kick.exchange(false)) {
      const std::uint64_t one = 1;
      (void) !::write(kick, &one, sizeof one);
      ++kicks;
    }
    REQUIRE(within(10s, [&] { return taken == i; }));
    if (i % 1000 == 0)
      std::this_thread::sleep_for(1ms); // long enough for it to fall asleep
  }
  CHECK(kicks > 0);
  home.stop();
  ::close(kick);
}

TEST_CASE(
    "a reactor that nothing is foreseen for does not look ahead, and one that is left alone stops looking") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  reactor home{system, "home", -1};
  const int kick = eventfd(0, EFD_NONBLOCK);
  std::atomic<std::uint64_t> looks{0};
  std::atomic<int> served{0};
  home.watch(kick, EPOLLIN | EPOLLET,
             [&](std::uint32_t) {
               ++served;
               return false;
             },
             {[&] {
                ++looks;
                return false;
              },
              [] { return false; }});
  home.start();
  const std::uint64_t one = 1;
  for (int i = 1; i <= 8; ++i) { // each sleep is a long one: the look is halved until there is none
    (void) !::write(kick, &one, sizeof one);
    REQUIRE(within(10s, [&] { return served == i; }));
    std::this_thread::sleep_for(2ms);
  }
  const auto before = looks.load();
  for (int i = 9; i <= 12; ++i) {
    (void) !::write(kick, &one, sizeof one);
    REQUIRE(within(10s, [&] { return served == i; }));
    std::this_thread::sleep_for(2ms);
  }
  CHECK(looks == before);
  home.stop();
  ::close(kick);
}

TEST_CASE("a handler may unwatch its own descriptor") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  reactor home{system, "home", -1};
  const int kick = eventfd(1, EFD_NONBLOCK);
  std::atomic<int> calls{0};
  home.watch(kick, EPOLLIN, [&](std::uint32_t) {
    ++calls;
    home.unwatch(kick);
    return true;
  });
  home.start();
  CHECK(within(10s, [&] { return calls == 1; }));
  std::this_thread::sleep_for(20ms);
  CHECK(calls == 1);
  home.stop();
  ::close(kick);
}

TEST_CASE("a reactor that lets its wakers go on is a batch thread, which preempts nobody") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  reactor home{system, "home", -1};
  const unique_fd kick{eventfd(1, EFD_NONBLOCK)};
  std::atomic<int> before{-1}, after{-1};
  home.watch(kick.get(), EPOLLIN, [&](std::uint32_t) {
    before = sched_getscheduler(0); // of this thread
    home.let_wakers_go_on();
    after = sched_getscheduler(0);
    home.unwatch(kick.get());
    return false;
  });
  home.start();
  CHECK(within(10s, [&] { return after != -1; }));
  CHECK(before == SCHED_OTHER);
  CHECK(after == SCHED_BATCH);
  home.stop();
}

TEST_CASE("messages sent before stop are handled before the thread ends") {
  caf::actor_system_config config;
  caf::actor_system system{config};
  std::atomic<int> total{0}, strays{0};
  reactor home{system, "home", -1};
  auto checker = spawn_pinned<home_checker>(system, home, total, strays);
  for (int i = 0; i < 500; ++i)
    caf::anon_send(checker, count_up{1});
  caf::anon_send_exit(checker, caf::exit_reason::user_shutdown);
  home.start();
  home.stop();
  CHECK(total == 500);
}
