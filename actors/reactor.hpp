// SPDX-License-Identifier: Apache-2.0
// A thread with an epoll set that is also a CAF execution unit: actors that are sent messages from it run on
// it, so a warm request crosses them all without a lock or a wake-up. Ports and routers are pinned to
// one; mounts and caches float.
#pragma once

#include <caf/execution_unit.hpp>
#include <caf/resumable.hpp>

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "protocol/unique_fd.hpp"

namespace nydus {

/// Runs actors and watches descriptors in one pinned thread.
///
/// Threads: exec_later(), stop() and the counters may be used from any thread; watch() and unwatch() before
/// start()
///   or from the reactor's own thread. Nothing that runs here may block.
class reactor : public caf::execution_unit {
public:
  /// Called with the epoll events that are set, on the reactor's thread. True if there may be more to take:
  /// it is called again as soon as the actors that it sent to have run, without another epoll_wait.
  using ready_handler = std::function<bool(std::uint32_t events)>;

  /// How to see without a system call that a descriptor's handler has work. A reactor that was woken shortly
  /// after it fell asleep looks for some microseconds before it sleeps again: waking a thread costs more than
  /// that. Both run on the reactor's thread.
  struct foresight {
    std::function<bool()> is_due; // asked again and again
    /// Asked a last time before the reactor sleeps: from now on the descriptor has to tell.
    std::function<bool()> is_due_at_last;
  };

  /// What the loop has done, written by its thread alone.
  struct loop_counters {
    std::atomic<std::uint64_t> rounds{0};        // returns of epoll_wait
    std::atomic<std::uint64_t> resumptions{0};   // actors resumed
    std::atomic<std::uint64_t> wake_ups{0};      // by other threads
    std::atomic<std::uint64_t> busy{0};          // nanoseconds outside of epoll_wait and of looking ahead
    std::atomic<std::uint64_t> looked_ahead{0};  // nanoseconds
    std::atomic<std::uint64_t> longest_round{0}; // nanoseconds from one epoll_wait to the next
  };

  /// `cpu`: the processor to stay on; none if negative. Throws std::system_error if the kernel gives no
  /// descriptor.
  reactor(caf::actor_system& system, std::string name, int cpu);
  /// The thread must have ended: stop() comes first.
  ~reactor() override;

  /// Calls `ready` whenever `fd` has one of `events`, level-triggered. The reactor does not own `fd`.
  void watch(int fd, std::uint32_t events, ready_handler ready);
  /// The same with a handler whose work can be foreseen.
  void watch(int fd, std::uint32_t events, ready_handler ready, foresight ahead);
  void unwatch(int fd);

  /// Whoever wakes the reactor by a request goes on until it has to wait, instead of being put aside for it
  /// at once. For ports whose requests wake all reactors: one on an idle processor serves meanwhile. Only
  /// from the reactor's own thread.
  void let_wakers_go_on() noexcept;

  /// Queues `job` here; wakes the thread if another one calls.
  void exec_later(caf::resumable* job) override;

  void start();
  /// Ends the loop after the jobs that are queued, and waits for the thread.
  void stop();

  bool is_current() const noexcept { return current() == this; }
  /// The reactor whose thread this is; null elsewhere.
  static reactor* current() noexcept;

  const std::string& name() const noexcept { return name_; }
  const loop_counters& counters() const noexcept { return counters_; }

private:
  struct inbox_node {
    caf::resumable* job;
    inbox_node* next;
  };

  void run();
  void wait_for_events();
  bool look_ahead();
  bool note_due(std::function<bool()> foresight::*question);
  void adapt_to(std::uint64_t slept) noexcept;
  void serve(const epoll_event& event);
  void take_inbox();
  void run_jobs();
  void wake() noexcept;

  std::string name_;
  int cpu_;
  unique_fd epoll_;
  unique_fd wake_;
  std::unordered_map<int, std::shared_ptr<ready_handler>> handlers_;
  std::vector<std::pair<int, foresight>> foreseen_; // by descriptor
  std::uint64_t look_for_ = 0;                      // nanoseconds before the next sleep
  std::vector<epoll_event> events_;                 // of this round
  std::vector<epoll_event> unfinished_;     // whose handlers had more to take when their calls were used up
  std::deque<caf::resumable*> jobs_;        // this thread's own queue
  std::atomic<inbox_node*> inbox_{nullptr}; // from other threads, newest first
  std::atomic<bool> stopping_{false};
  loop_counters counters_;
  std::uint64_t round_began_ = 0; // nanoseconds
  std::thread thread_;
};

} // namespace nydus
