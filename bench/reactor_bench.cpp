// SPDX-License-Identifier: Apache-2.0
// What messages cost on a reactor: one actor's messages per second, a request through three actors (port,
// router, mount, and back) with 1 and 64 under way, and a wake-up from another thread; beside CAF's own
// scheduler. Usage: reactor_bench [SECONDS per row]. Prints one JSON object per row.
#include "actors/reactor.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "actors/pinned.hpp"

using namespace nydus;
using steady = std::chrono::steady_clock;

namespace {

struct ball {
  std::uint64_t number;
};
struct serve_ball {};

} // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(ball)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(serve_ball)

namespace {

/// Turns of one row; the player that sees the last one ends it.
struct game {
  steady::time_point end;
  std::atomic<std::uint64_t> turns{0};
  std::vector<std::uint32_t> took; // ns per turn, if wanted
  std::atomic<bool> is_over{false};

  void wait() const { is_over.wait(false); }
  void finish() {
    is_over = true;
    is_over.notify_all();
  }
};

/// What players on a reactor are.
class pinned_player : public pinned_actor {
public:
  pinned_player(caf::actor_config& config, reactor& home) : pinned_actor(config, home, "player") {}
};

/// Sends on whatever it gets.
template <class Base, class... Home>
class relay : public Base {
public:
  relay(caf::actor_config& config, Home&... home, const caf::actor& to) : Base(config, home...), to_(to) {}
  caf::behavior make_behavior() override {
    return {[this](const ball& one) { this->send(to_, one); }, [this](const caf::actor& to) { to_ = to; }};
  }
  void on_exit() override { to_ = nullptr; } // a ring of handles would keep all of them

private:
  caf::actor to_;
};

/// Starts the balls, and sends each on when it comes back.
template <class Base, class... Home>
class server : public Base {
public:
  server(caf::actor_config& config, Home&... home, const caf::actor& to, game* played, unsigned balls,
         bool is_timed)
      : Base(config, home...), to_(to), game_(*played), balls_(balls), is_timed_(is_timed) {}
  caf::behavior make_behavior() override {
    return {[this](const serve_ball&) {
              last_ = steady::now();
              for (unsigned i = 0; i < balls_; ++i)
                this->send(to_, ball{i});
            },
            [this](const ball& one) { turn(one); }};
  }
  void on_exit() override { to_ = nullptr; }

private:
  void turn(const ball& one) {
    if (game_.is_over)
      return;
    const auto turns = game_.turns.load(std::memory_order_relaxed) + 1;
    game_.turns.store(turns, std::memory_order_relaxed);
    if (is_timed_ || turns % 256 == 0) {
      const auto now = steady::now();
      if (is_timed_)
        game_.took.push_back(static_cast<std::uint32_t>((now - last_).count()));
      last_ = now;
      if (now > game_.end)
        return game_.finish();
    }
    this->send(to_, one);
  }

  caf::actor to_;
  game& game_;
  unsigned balls_;
  bool is_timed_;
  steady::time_point last_;
};

using pinned_relay = relay<pinned_player, reactor>;
using floating_relay = relay<caf::event_based_actor>;
using pinned_server = server<pinned_player, reactor>;
using floating_server = server<caf::event_based_actor>;

void print(const char* row, const game& played, double seconds, unsigned per_turn) {
  std::printf("{\"row\": \"%s\", \"rate\": %.0f", row,
              static_cast<double>(played.turns * per_turn) / seconds);
  auto took = played.took;
  std::sort(took.begin(), took.end());
  if (!took.empty())
    std::printf(", \"p50\": %.2f, \"p99\": %.2f", took[took.size() / 2] / 1e3,
                took[took.size() * 99 / 100] / 1e3);
  std::printf("}\n");
}

class rows {
public:
  rows(caf::actor_system& system, double seconds)
      : system_(system), seconds_(seconds), here_(system, "here", 0), there_(system, "there", 1) {
    here_.start();
    there_.start();
  }
  ~rows() {
    here_.stop();
    there_.stop();
  }

  /// Two messages per turn.
  void two_actors() {
    game played;
    auto back = spawn_pinned<pinned_relay>(system_, here_, caf::actor{});
    play("messages between two actors of one reactor", played,
         {spawn_pinned<pinned_server>(system_, here_, back, &played, 1u, false), back}, 2);
  }

  /// port -> router -> mount -> port, as a warm request goes; the mount floats.
  void three_actors(const char* row, unsigned balls) {
    game played;
    auto mount = system_.spawn<floating_relay, caf::lazy_init>(caf::actor{});
    auto router = spawn_pinned<pinned_relay>(system_, here_, mount);
    play(row, played,
         {spawn_pinned<pinned_server>(system_, here_, router, &played, balls, false), router, mount});
  }

  /// Two pinned actors on two reactors: each turn is two wake-ups of another thread.
  void other_thread() {
    game played;
    auto back = spawn_pinned<pinned_relay>(system_, there_, caf::actor{});
    play("there and back between two reactors", played,
         {spawn_pinned<pinned_server>(system_, here_, back, &played, 1u, true), back});
  }

  /// The same with two threads of CAF's own.
  void other_thread_by_caf() {
    game played;
    auto back = system_.spawn<floating_relay, caf::detached>(caf::actor{});
    play("there and back between two detached CAF actors", played,
         {system_.spawn<floating_server, caf::detached>(back, &played, 1u, true), back});
  }

private:
  /// `ring`: the server and those the balls go through; the last one sends them back to it.
  void play(const char* row, game& played, std::vector<caf::actor> ring, unsigned per_turn = 1) {
    caf::anon_send(ring.back(), ring.front());
    const auto start = steady::now();
    played.end =
        start + std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(seconds_));
    caf::anon_send(ring.front(), serve_ball{});
    played.wait();
    print(row, played, std::chrono::duration<double>(steady::now() - start).count(), per_turn);
    caf::scoped_actor self{system_};
    for (const auto& one : ring)
      self->send_exit(one, caf::exit_reason::user_shutdown);
    self->wait_for(std::move(ring)); // none of them looks at the game any more
  }

  caf::actor_system& system_;
  double seconds_;
  reactor here_;
  reactor there_;
};

} // namespace

int main(int count, char** words) {
  caf::actor_system_config config;
  config.set("scheduler.policy", caf::atom("sharing")); // as the daemon does
  caf::actor_system system{config};
  rows table{system, count > 1 ? std::atof(words[1]) : 2};
  table.two_actors();
  table.three_actors("through three actors, 1 under way", 1);
  table.three_actors("through three actors, 64 under way", 64);
  table.other_thread();
  table.other_thread_by_caf();
}
