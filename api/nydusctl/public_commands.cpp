// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/public_commands.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <ostream>
#include <thread>

#include "api/daemon_config.hpp"
#include "api/nydusctl/daemon_text.hpp"
#include "api/nydusctl/metrics_text.hpp"

namespace nydus::ctl {

namespace {

/// `fields` as JSON. malformed, if `what` is no UTF-8, which JSON has to be.
result<std::string> body_of(const nlohmann::ordered_json& fields, const std::string& what) {
  try {
    return fields.dump();
  } catch (const nlohmann::json::exception&) {
    return failure{errc::malformed, what + " is not valid UTF-8"};
  }
}

std::string mount_target(const std::string& mountpoint) {
  return "/api/v1/mount?mountpoint=" + encoded(mountpoint);
}

result<std::string> print(const result<std::string>& text, std::ostream& out) {
  if (text)
    out << *text << std::flush;
  return text;
}

} // namespace

result<void> run(const show_daemon&, bool is_raw, daemon_client& daemon, std::ostream& out) {
  const auto body = daemon.get("/api/v1/daemon");
  if (!body)
    return body.error();
  if (is_raw) {
    out << *body << '\n';
    return {};
  }
  const auto answer = config_value::from_json(*body);
  if (!answer)
    return answer.error();
  const auto printed = print(daemon_text(*answer), out);
  return printed ? result<void>{} : printed.error();
}

result<void> run(const set_log_level& asked, bool, daemon_client& daemon, std::ostream&) {
  const auto body = body_of({{"log_level", asked.level}}, "the level");
  return body ? daemon.send("PUT", "/api/v1/daemon", *body) : body.error();
}

result<void> run(const show_metrics& asked, bool is_raw, daemon_client& daemon, std::ostream& out) {
  using clock = std::chrono::steady_clock;
  const auto target = metrics_target(asked);
  result<config_value> before = failure{errc::not_found, "the first round has nothing before it"};
  clock::time_point then;
  while (true) {
    const auto body = daemon.get(target);
    const auto now = clock::now();
    if (!body)
      return body.error();
    auto answer = config_value::from_json(*body);
    if (!answer)
      return answer.error();
    if (is_raw) {
      out << *body << std::endl;
    } else {
      const auto seconds = std::chrono::duration<double>(now - then).count();
      const auto printed = print(before ? metrics_rate_text(asked.what, *before, *answer, seconds)
                                        : metrics_text(asked.what, *answer),
                                 out);
      if (!printed)
        return printed.error();
    }
    if (asked.interval == 0)
      return {};
    out << std::endl;
    before = std::move(answer);
    then = now;
    std::this_thread::sleep_until(now + std::chrono::seconds{asked.interval});
  }
}

result<void> run(const mount_source& asked, bool, daemon_client& daemon, std::ostream&) {
  const auto config = read_config_file(asked.config);
  if (!config)
    return failure{config.error().code, "--config: " + config.error().detail};
  const auto body = body_of({{"source", asked.source}, {"fs_type", asked.type}, {"config", *config}},
                            "--source or the file of --config");
  return body ? daemon.send("POST", mount_target(asked.mountpoint), *body) : body.error();
}

result<void> run(const unmount& asked, bool, daemon_client& daemon, std::ostream&) {
  return daemon.send("DELETE", mount_target(asked.mountpoint), {});
}

} // namespace nydus::ctl
