// SPDX-License-Identifier: Apache-2.0
#include "actors/daemon.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <system_error>

#include "actors/actor_census.hpp"
#include "actors/error_code.hpp"
#include "actors/fuse_notifier.hpp"
#include "actors/fuse_port.hpp"
#include "actors/message_types.hpp"
#include "actors/mount_router.hpp"
#include "actors/mount_supervisor.hpp"
#include "actors/reactor.hpp"
#include "actors/vhost_user_session.hpp"
#include "protocol/fuse/device.hpp"
#include "protocol/unix_listener.hpp"

namespace nydus {

namespace {

// What a step of stop() may take; then the next one comes, whatever hangs.
constexpr std::chrono::milliseconds patience{300};

struct quiet_config : caf::actor_system_config {
  quiet_config() {
    set("scheduler.policy",
        caf::atom("sharing")); // the other one's idle workers sleep up to 10 ms before they look
  }
};

/// The CPUs this process may run on.
std::vector<int> usable_cpus() {
  cpu_set_t allowed;
  std::vector<int> cpus;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0)
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &allowed))
        cpus.push_back(static_cast<int>(cpu));
  if (cpus.empty())
    cpus.push_back(-1);
  return cpus;
}

} // namespace

struct daemon::state {
  quiet_config config;
  std::unique_ptr<caf::actor_system> system;
  caf::actor census;
  std::vector<std::unique_ptr<reactor>> reactors; // of the ports
  std::unique_ptr<reactor> control;
  std::vector<caf::actor> routers;
  caf::actor supervisor;
  std::vector<caf::actor> ports;
  std::optional<fuse::device> session;
};

daemon::daemon() : state_(std::make_unique<state>()) {}

daemon::~daemon() {
  stop();
}

caf::actor_system& daemon::system() noexcept {
  return *state_->system;
}
const caf::actor& daemon::supervisor() const noexcept {
  return state_->supervisor;
}

reactor& daemon::control() noexcept {
  return *state_->control;
}

const caf::actor& daemon::census() const noexcept {
  return state_->census;
}
std::vector<const reactor*> daemon::reactors() const {
  std::vector<const reactor*> all;
  for (const auto& one : state_->reactors)
    all.push_back(one.get());
  all.push_back(state_->control.get());
  return all;
}

const std::vector<caf::actor>& daemon::ports() const noexcept {
  return state_->ports;
}

result<std::unique_ptr<daemon>> daemon::start(const daemon_parts& parts) {
  std::unique_ptr<daemon> started{new daemon};
  auto& parts_of = *started->state_;
  parts_of.system = std::make_unique<caf::actor_system>(parts_of.config);
  const auto cpus = usable_cpus();
  const auto count = std::clamp<std::size_t>(parts.reactor_count, 1, cpus.size());
  try {
    for (std::size_t i = 0; i < count; ++i)
      parts_of.reactors.push_back(
          std::make_unique<reactor>(*parts_of.system, "reactor-" + std::to_string(i), cpus[i]));
    parts_of.control = std::make_unique<reactor>(*parts_of.system, "control", -1);
  } catch (const std::system_error& why) {
    return failure{errc::unavailable, why.what()};
  }
  // Before all others, which it counts.
  parts_of.census = spawn_actor_census(*parts_of.system, parts_of.control.get());
  for (auto& one : parts_of.reactors) {
    parts_of.routers.push_back(spawn_mount_router(*parts_of.system, *one));
    one->start();
  }
  parts_of.control->start();
  parts_of.supervisor = spawn_mount_supervisor(*parts_of.system, *parts_of.control, parts_of.routers);
  return started;
}

result<void> daemon::mount(const mount_image& wanted) {
  result<void> outcome;
  caf::scoped_actor self{*state_->system};
  self->request(state_->supervisor, caf::infinite, wanted)
      .receive([](const mount_changed&) {}, [&](const caf::error& why) { outcome = to_failure(why); });
  return outcome;
}

result<void> daemon::serve_fuse(const std::string& mountpoint, std::function<void()> session_ended) {
  auto session = fuse::device::mount({mountpoint});
  if (!session)
    return session.error();
  state_->session = std::move(*session);
  for (std::size_t i = 0; i < state_->reactors.size(); ++i) {
    auto fd = state_->session->clone();
    if (!fd)
      return fd.error();
    fuse_port_parts parts{std::move(*fd), state_->session->terms(), state_->routers[i], {}};
    if (i == 0)
      parts.session_ended = session_ended;
    state_->ports.push_back(spawn_fuse_port(*state_->system, *state_->reactors[i], std::move(parts)));
  }
  for (const auto& port : state_->ports) {
    know_siblings others;
    for (const auto& other : state_->ports)
      if (other != port)
        others.ports.push_back(other);
    caf::anon_send(port, std::move(others));
  }
  caf::anon_send(
      state_->supervisor,
      know_kernel{state_->session->fd(), spawn_fuse_notifier(*state_->system, state_->session->fd())});
  state_->session->raise_readahead();
  return {};
}

result<void> daemon::serve_virtiofs(const std::string& path) {
  auto listener = listen_at(path);
  if (!listener)
    return listener.error();
  vhost_user_session_parts parts;
  parts.listener = std::move(*listener);
  for (std::size_t i = 0; i < state_->reactors.size(); ++i)
    parts.places.push_back({state_->reactors[i].get(), state_->routers[i]});
  state_->ports.push_back(spawn_vhost_user_session(*state_->system, std::move(parts)));
  return {};
}

void daemon::stop(bool keep_mount) {
  if (!state_ || !state_->system)
    return;
  auto& all = *state_;
  if (all.session && !keep_mount)
    all.session->unmount();
  {
    caf::scoped_actor self{*all.system};
    for (const auto& port : all.ports)
      self->request(port, patience, close_port{})
          .receive([](const port_closed&) {}, [](const caf::error&) {});
    self->send_exit(all.supervisor, caf::exit_reason::user_shutdown);
    self->wait_for(all.supervisor);
    // A round trip behind the mounts' last answers, so that they are written before the ports end.
    for (const auto& port : all.ports)
      self->request(port, patience, list_inflight{})
          .receive([](const inflight_list&) {}, [](const caf::error&) {});
    for (const auto& port : all.ports)
      self->send_exit(port, caf::exit_reason::user_shutdown);
    for (const auto& router : all.routers)
      self->send_exit(router, caf::exit_reason::user_shutdown);
  }
  for (auto& one : all.reactors)
    one->stop();
  all.control->stop();
  all.ports.clear();
  all.routers.clear();
  all.supervisor = nullptr;
  all.census = nullptr;
  // A reader that hangs in a dead backend never ends, and the actor system would wait for it: all of this is
  // left to the end of the process, which is next.
  (void) state_.release();
}

} // namespace nydus
