// SPDX-License-Identifier: Apache-2.0
#include "builder/interruption.hpp"

#include <atomic>
#include <csignal>
#include <string>

namespace nydus::builder {

namespace {
std::atomic<int> received{0};
static_assert(std::atomic<int>::is_always_lock_free); // stored from a signal handler
} // namespace

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = [](int number) { received.store(number, std::memory_order_relaxed); };
  for (const int number : {SIGINT, SIGTERM, SIGHUP})
    ::sigaction(number, &action, nullptr); // no SA_RESTART: blocking calls end in EINTR
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

result<void> check_interruption() {
  if (const int number = received.load(std::memory_order_relaxed); number != 0)
    return failure{errc::interrupted, "stopped by signal " + std::to_string(number)};
  return {};
}

} // namespace nydus::builder
