// SPDX-License-Identifier: Apache-2.0
#include "actors/reactor.hpp"

#include <caf/actor_system.hpp>
#include <caf/logger.hpp>

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "actors/request_times.hpp"

namespace nydus {

namespace {

thread_local reactor* current_reactor = nullptr;

// Messages that one actor may handle before the next one's turn.
constexpr std::size_t messages_per_turn = 64;
// Jobs that are run before descriptors are looked at again, so that no chain of messages starves them.
constexpr int jobs_per_round = 256;
// Calls of one descriptor's handler before the others get a turn.
constexpr int calls_per_round = 64;

constexpr int most_events = 64; // of one epoll_wait

// Nanoseconds that a reactor looks ahead before it sleeps, unless sleeps are long: then not at all.
constexpr std::uint64_t shortest_look = 4'000;
constexpr std::uint64_t longest_look = 32'000;

/// Lets the processor's other thread run while this one spins.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

} // namespace

reactor* reactor::current() noexcept {
  return current_reactor;
}

reactor::reactor(caf::actor_system& system, std::string name, int cpu)
    : caf::execution_unit(&system), name_(std::move(name)), cpu_(cpu), epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!epoll_ || !wake_)
    throw std::system_error(errno, std::generic_category(), "reactor " + name_);
  watch(wake_.get(), EPOLLIN, [this](std::uint32_t) {
    std::uint64_t count;
    while (::read(wake_.get(), &count, sizeof count) > 0)
      counters_.wake_ups.fetch_add(1, std::memory_order_relaxed);
    return false;
  });
}

reactor::~reactor() {
  // What still waits is given back unrun; its actors are down or go down with the system.
  take_inbox();
  for (auto* job : jobs_)
    caf::intrusive_ptr_release(job);
}

void reactor::watch(int fd, std::uint32_t events, ready_handler ready) {
  handlers_[fd] = std::make_shared<ready_handler>(std::move(ready));
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    throw std::system_error(errno, std::generic_category(), "epoll_ctl of reactor " + name_);
}

void reactor::watch(int fd, std::uint32_t events, ready_handler ready, foresight ahead) {
  watch(fd, events, std::move(ready));
  foreseen_.emplace_back(fd, std::move(ahead));
}

void reactor::unwatch(int fd) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  handlers_.erase(fd);
  std::erase_if(foreseen_, [&](const auto& one) { return one.first == fd; });
}

void reactor::let_wakers_go_on() noexcept {
  // A batch thread has its whole share of the processor, but preempts nobody when it wakes.
  const sched_param none{};
  pthread_setschedparam(pthread_self(), SCHED_BATCH, &none); // refused in some sandboxes: slower then
}

void reactor::exec_later(caf::resumable* job) {
  if (is_current()) {
    jobs_.push_back(job);
    return;
  }
  // A stack that many push to and one empties; whoever finds it empty wakes the thread. Once it is pushed the
  // node is the reactor's, which may have deleted it already.
  auto* before = inbox_.load(std::memory_order_relaxed);
  auto* const node = new inbox_node{job, before};
  while (!inbox_.compare_exchange_weak(before, node, std::memory_order_release, std::memory_order_relaxed))
    node->next = before;
  if (before == nullptr)
    wake();
}

void reactor::wake() noexcept {
  const std::uint64_t one = 1;
  (void) !::write(wake_.get(), &one, sizeof one);
}

void reactor::start() {
  thread_ = std::thread{[this] { run(); }};
}

void reactor::stop() {
  stopping_.store(true, std::memory_order_release);
  wake();
  if (thread_.joinable())
    thread_.join();
}

void reactor::take_inbox() {
  // Newest first: reversed, so that jobs run in the order they were sent.
  inbox_node* oldest = nullptr;
  for (auto* node = inbox_.exchange(nullptr, std::memory_order_acquire); node != nullptr;) {
    auto* next = node->next;
    node->next = oldest;
    oldest = node;
    node = next;
  }
  while (oldest != nullptr) {
    jobs_.push_back(oldest->job);
    auto* done = oldest;
    oldest = oldest->next;
    delete done;
  }
}

void reactor::run_jobs() {
  // Whoever spawns an actor leaves CAF's logger to its thread, which then looks up and notes the actor of
  // each turn in a map that all threads lock.
  caf::logger::set_current_actor_system(nullptr);
  take_inbox();
  for (int turn = 0; turn < jobs_per_round && !jobs_.empty(); ++turn) {
    auto* job = jobs_.front();
    jobs_.pop_front();
    counters_.resumptions.fetch_add(1, std::memory_order_relaxed);
    switch (job->resume(this, messages_per_turn)) {
    case caf::resumable::resume_later:
      jobs_.push_back(job);
      break;
    case caf::resumable::done:
    case caf::resumable::awaiting_message:
      caf::intrusive_ptr_release(job);
      break;
    case caf::resumable::shutdown_execution_unit:
      break;
    }
    if (inbox_.load(std::memory_order_relaxed) != nullptr)
      take_inbox();
  }
}

/// Enters those of whom the answer is yes among the unfinished. Whether there are any.
bool reactor::note_due(std::function<bool()> foresight::*question) {
  for (const auto& [fd, ahead] : foreseen_)
    if ((ahead.*question)()) {
      epoll_event due{};
      due.events = EPOLLIN;
      due.data.fd = fd;
      unfinished_.push_back(due);
    }
  return !unfinished_.empty();
}

/// True if there is work and no reason to sleep.
bool reactor::look_ahead() {
  if (foreseen_.empty())
    return false;
  if (look_for_ > 0) {
    const auto began = now_nanoseconds();
    auto now = began;
    for (; now - began < look_for_ && inbox_.load(std::memory_order_relaxed) == nullptr;
         now = now_nanoseconds()) {
      if (note_due(&foresight::is_due))
        break;
      relax();
    }
    counters_.looked_ahead.fetch_add(now - began, std::memory_order_relaxed);
    if (!unfinished_.empty())
      return true;
  }
  return note_due(&foresight::is_due_at_last);
}

/// A sleep that looking would have spared makes the next look longer, a longer one shorter.
void reactor::adapt_to(std::uint64_t slept) noexcept {
  if (slept <= longest_look)
    look_for_ = std::min(longest_look, std::max(shortest_look, look_for_ * 2));
  else
    look_for_ = look_for_ / 2 < shortest_look ? 0 : look_for_ / 2;
}

/// Gathers what is ready, together with what was left unfinished; sleeps only if nothing waits.
void reactor::wait_for_events() {
  events_.resize(most_events);
  constexpr auto relaxed = std::memory_order_relaxed;
  if (round_began_ != 0) {
    const auto took = now_nanoseconds() - round_began_;
    counters_.busy.store(counters_.busy.load(relaxed) + took, relaxed);
    if (took > counters_.longest_round.load(relaxed))
      counters_.longest_round.store(took, relaxed);
  }
  const bool may_sleep = jobs_.empty() && unfinished_.empty() && !look_ahead();
  const bool is_measured = may_sleep && !foreseen_.empty();
  const auto asleep_since = is_measured ? now_nanoseconds() : 0;
  const int count = epoll_wait(epoll_.get(), events_.data(), most_events, may_sleep ? -1 : 0);
  round_began_ = is_tracing || is_measured ? now_nanoseconds() : 0;
  if (is_measured)
    adapt_to(round_began_ - asleep_since);
  counters_.rounds.fetch_add(1, relaxed);
  events_.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  for (const auto& one : unfinished_)
    if (std::none_of(events_.begin(), events_.end(),
                     [&](const epoll_event& e) { return e.data.fd == one.data.fd; }))
      events_.push_back(one);
  unfinished_.clear();
}

void reactor::serve(const epoll_event& event) {
  for (int call = 0; call < calls_per_round; ++call) {
    const auto found = handlers_.find(event.data.fd);
    if (found == handlers_.end())
      return;                         // unwatched, by a handler or an actor of this very round
    const auto ready = found->second; // stays alive if it unwatches itself
    if (!(*ready)(event.events))
      return;
    run_jobs();
  }
  unfinished_.push_back(event);
}

void reactor::run() {
  current_reactor = this;
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  if (cpu_ >= 0) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(static_cast<std::size_t>(cpu_), &only);
    pthread_setaffinity_np(pthread_self(), sizeof only, &only); // refused in some cpusets: then unpinned
  }
  while (true) {
    run_jobs();
    if (jobs_.empty() && stopping_.load(std::memory_order_acquire)) {
      take_inbox();
      if (jobs_.empty())
        break;
      continue;
    }
    wait_for_events();
    for (const auto& event : events_)
      serve(event);
  }
  current_reactor = nullptr;
}

} // namespace nydus
