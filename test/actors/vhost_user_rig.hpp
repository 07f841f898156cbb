// SPDX-License-Identifier: Apache-2.0
// A vhost-user session on two reactors before a router that holds what it is told to hold, for the suites of
// vhost_user_session.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "actors/fuse_port.hpp"
#include "actors/reactor.hpp"
#include "actors/vhost_user_session.hpp"
#include "protocol/unix_listener.hpp"
#include "test/fakes/fake_guest.hpp"
#include "test/fakes/held_router.hpp"
#include "test/fakes/tiny_image.hpp"

namespace nydus {

template <class Condition>
bool soon(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end)
      return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  return true;
}

/// How often memory files of guests are mapped into this process, by fake guests and by the session.
inline std::size_t guest_mappings() {
  std::ifstream maps{"/proc/self/maps"};
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);)
    count += line.find("memfd:guest memory") != std::string::npos ? 1 : 0;
  return count;
}

class vhost_user_rig {
public:
  vhost_user_rig() {
    router_ = system_.spawn(held_router, control_);
    vhost_user_session_parts parts;
    auto listener = listen_at(socket());
    REQUIRE(listener);
    parts.listener = std::move(*listener);
    for (auto& each : reactors_) {
      each = std::make_unique<reactor>(system_, "test", -1);
      parts.places.push_back({each.get(), router_});
    }
    session_ = spawn_vhost_user_session(system_, std::move(parts));
    for (auto& each : reactors_)
      each->start();
  }
  ~vhost_user_rig() {
    {
      caf::scoped_actor self{system_};
      self->request(session_, std::chrono::seconds{10}, close_port{})
          .receive([](const port_closed&) {},
                   [](const caf::error&) { FAIL_CHECK("the session does not end"); });
      self->send_exit(session_, caf::exit_reason::user_shutdown);
      self->send_exit(router_, caf::exit_reason::user_shutdown);
    }
    session_ = router_ = nullptr;
    for (auto& each : reactors_)
      each->stop();
  }

  std::string socket() const { return place_.path() + "/vhost.sock"; }
  router_control& control() { return *control_; }
  void hold() { control_->holds_reads = true; }
  /// The held reads are answered, and later ones at once.
  void release() {
    const auto before = control_->releases.load();
    caf::anon_send(router_, release_reads{});
    REQUIRE(soon([&] { return control_->releases > before; }));
  }
  bool has_held(std::size_t count) {
    return soon([&] { return control_->held == count; });
  }

private:
  temporary_directory place_;
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  std::shared_ptr<router_control> control_ = std::make_shared<router_control>();
  std::unique_ptr<reactor> reactors_[2];
  caf::actor router_, session_;
};

/// A small guest.
inline fake::guest_options small_guest() {
  fake::guest_options options;
  options.memory_size = 4 << 20;
  options.queue_size = 64;
  return options;
}

/// Submits a 4 KiB READ at `offset` and kicks.
inline fake::ticket submit_read(fake::fuse_channel& channel, std::uint64_t offset) {
  const auto arguments = fake::read_arguments(0, offset, 4096);
  const auto which = channel.submit(
      {.opcode = FUSE_READ, .node = 2, .arguments = fake::bytes_of(arguments), .body_size = 4096});
  channel.kick();
  return which;
}

/// Whether those are the file's bytes at `offset`.
inline bool is_file_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  for (const auto each : bytes)
    if (each != held_file_byte(offset++))
      return false;
  return true;
}

} // namespace nydus
