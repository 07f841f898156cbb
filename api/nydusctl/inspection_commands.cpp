// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/inspection_commands.hpp"

#include <cerrno>
#include <chrono>
#include <fstream>
#include <limits>
#include <ostream>
#include <thread>

#include "api/nydusctl/running.hpp"
#include "api/nydusctl/terminal.hpp"
#include "api/nydusctl/top_screen.hpp"
#include "api/nydusctl/traced_requests.hpp"

namespace nydus::ctl {

namespace {

constexpr int redraw_milliseconds = 1000;
constexpr std::uint32_t listed_requests = 100; // of a table, unless more are asked for

template <class Read>
auto get(daemon_client& daemon, const std::string& target, Read read)
    -> decltype(read(std::declval<const config_value&>())) {
  const auto body = daemon.get(target);
  if (!body)
    return body.error();
  const auto answer = config_value::from_json(*body);
  if (!answer)
    return failure{errc::malformed, "the daemon's answer is no JSON: " + answer.error().detail};
  return read(*answer);
}

std::string trace_target(const show_trace& asked) {
  std::string target = "/api/v1/trace";
  const auto add = [&](const std::string& name, const std::string& value) {
    target += (target.find('?') == std::string::npos ? '?' : '&') + name + '=' + value;
  };
  if (asked.slowest != 0)
    add("slowest", std::to_string(asked.slowest));
  else if (asked.output.empty())
    add("limit", std::to_string(listed_requests));
  if (!asked.mount.empty())
    add("mount", encoded(asked.mount));
  return target;
}

result<daemon_look> look(daemon_client& daemon) {
  auto seen = get(daemon, "/api/v1/actors", read_running);
  if (!seen)
    return seen.error();
  const auto metrics = daemon.get("/metrics");
  if (!metrics)
    return metrics.error();
  auto slowest = get(daemon, "/api/v1/trace?slowest=20", read_trace);
  if (!slowest)
    return slowest.error();
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return daemon_look{std::chrono::duration<double>(now).count(), *std::move(seen), metric_samples{*metrics},
                     *std::move(slowest)};
}

result<void> print_once(daemon_client& daemon, std::ostream& out) {
  const auto before = look(daemon);
  if (!before)
    return before.error();
  std::this_thread::sleep_for(std::chrono::milliseconds{redraw_milliseconds});
  const auto now = look(daemon);
  if (!now)
    return now.error();
  for (const auto& line : top_screen(*before, *now, std::numeric_limits<std::size_t>::max()))
    out << line << '\n';
  return {};
}

} // namespace

result<void> run(const show_actors&, bool is_raw, daemon_client& daemon, std::ostream& out) {
  if (is_raw) {
    const auto body = daemon.get("/api/v1/actors");
    if (!body)
      return body.error();
    out << *body << '\n';
    return {};
  }
  const auto seen = get(daemon, "/api/v1/actors", read_running);
  if (!seen)
    return seen.error();
  out << running_text(*seen);
  return {};
}

result<void> run(const show_trace& asked, bool is_raw, daemon_client& daemon, std::ostream& out) {
  const auto target = trace_target(asked);
  if (asked.output.empty() && !is_raw) {
    const auto requests = get(daemon, target, read_trace);
    if (!requests)
      return requests.error();
    out << trace_table(*requests);
    return {};
  }
  const auto body = daemon.get(target);
  if (!body)
    return body.error();
  if (asked.output.empty()) {
    out << *body << '\n';
    return {};
  }
  std::ofstream file{asked.output, std::ios::binary | std::ios::trunc};
  file << *body << std::flush;
  if (!file)
    return system_failure("write " + asked.output, errno);
  return {};
}

result<void> run(const show_top& asked, bool, daemon_client& daemon, std::ostream& out) {
  if (asked.is_once)
    return print_once(daemon, out);
  auto before = look(daemon);
  if (!before)
    return before.error();
  auto screen = terminal::take();
  if (!screen)
    return screen.error();
  auto now = before;
  do {
    screen->draw(top_screen(*before, *now, screen->height()));
    before = std::move(now);
    if (!screen->wait(redraw_milliseconds))
      return {};
    now = look(daemon);
  } while (now);
  return now.error();
}

} // namespace nydus::ctl
