// SPDX-License-Identifier: Apache-2.0
#include "api/daemon_state.hpp"

#include <string>

namespace nydus {

namespace {

const char* name_of(daemon_event event) noexcept {
  switch (event) {
  case daemon_event::mount:
    return "Mount";
  case daemon_event::start:
    return "Start";
  case daemon_event::stop:
    return "Stop";
  case daemon_event::exit:
    return "Exit";
  }
  return "Unknown";
}

} // namespace

result<daemon_state> next_state(daemon_state now, daemon_event event) {
  if (event == daemon_event::exit && now != daemon_state::init)
    return daemon_state::stopped;
  if (event == daemon_event::mount && now == daemon_state::init)
    return daemon_state::ready;
  if (event == daemon_event::start && now == daemon_state::ready)
    return daemon_state::running;
  if (event == daemon_event::stop)
    return now == daemon_state::running ? daemon_state::ready : daemon_state::stopped;
  return failure{errc::wrong_state,
                 std::string{"Configure(DaemonAbnormal(UnexpectedEvent(\""} + name_of(event) + "\")))"};
}

const char* to_string(daemon_state state) noexcept {
  switch (state) {
  case daemon_state::init:
    return "INIT";
  case daemon_state::ready:
    return "READY";
  case daemon_state::running:
    return "RUNNING";
  case daemon_state::stopped:
    return "STOPPED";
  }
  return "UNKNOWN";
}

} // namespace nydus
