// SPDX-License-Identifier: Apache-2.0
#include "builder/interruption.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace nydus::builder {

namespace {
constexpr int longest_wait = 500; // milliseconds
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

int received_signal() noexcept {
  return received.load(std::memory_order_relaxed);
}

result<void> check_interruption() {
  if (const int number = received_signal(); number != 0)
    return failure{errc::interrupted,
                   "stopped by signal " + std::to_string(number) + " (" + ::strsignal(number) + ")"};
  return {};
}

result<std::string> read_standard_input() {
  std::string text;
  std::array<char, 65536> part;
  for (;;) {
    if (auto go_on = check_interruption(); !go_on)
      return std::move(go_on).error();
    // A signal between the check and the wait would be missed: so the wait ends now and then.
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, longest_wait) <= 0)
      continue;
    const auto size = ::read(STDIN_FILENO, part.data(), part.size());
    if (size == 0 || (size < 0 && errno == EBADF)) // closed by who called
      return text;
    if (size > 0)
      text.append(part.data(), static_cast<std::size_t>(size));
    else if (errno != EINTR && errno != EAGAIN)
      return system_failure("read standard input", errno);
  }
}

} // namespace nydus::builder
