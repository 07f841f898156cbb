// SPDX-License-Identifier: Apache-2.0
// The whole of what runs: actor system, reactors, routers, supervisor and the /dev/fuse session, and the
// order in which they start and stop.
#pragma once

#include <caf/actor.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/mount_messages.hpp"
#include "protocol/result.hpp"

namespace caf {
class actor_system;
}

namespace nydus {

class reactor;

struct daemon_parts {
  unsigned reactor_count = 1; // at most one per CPU is used
};

/// Threads: one owner (main). Its actors may be sent messages from anywhere.
class daemon {
public:
  /// Starts reactors, routers and the supervisor. Nothing is served yet.
  static result<std::unique_ptr<daemon>> start(const daemon_parts& parts);
  /// stop() if that was not called.
  ~daemon();

  caf::actor_system& system() noexcept;
  /// Answers the messages of mount_messages.hpp.
  const caf::actor& supervisor() const noexcept;

  /// Where the supervisor runs; the API's front may run there too. It serves no port, so it may be busy for
  /// milliseconds.
  reactor& control() noexcept;
  /// Answers list_actors.
  const caf::actor& census() const noexcept;
  /// They live as long as the process.
  std::vector<const reactor*> reactors() const;

  /// Who answers list_inflight and list_slowest: the ports of the FUSE session, or the virtio-fs session.
  const std::vector<caf::actor>& ports() const noexcept;

  /// Mounts an image and waits until it can be reached.
  result<void> mount(const mount_image& wanted);

  /// Mounts FUSE on an existing directory and serves it. `session_ended` is called once, from a reactor, when
  /// the kernel ends the session (someone unmounted it).
  result<void> serve_fuse(const std::string& mountpoint, std::function<void()> session_ended);

  /// Listens on the vhost-user socket `path` and serves one VMM after the other. A socket that is left there
  /// is replaced. Nobody needs to connect for it to be RUNNING.
  result<void> serve_virtiofs(const std::string& path);

  /// Unmounts and stops, in this order:
  ///   1. the kernel's mount is detached: no new users
  ///   2. ports read no more requests
  ///   3. the supervisor ends its mounts: what they hold is answered EIO
  ///   4. ports, routers and reactors end
  /// Threads that hang in a dead backend are not waited for: the process ends with them.
  /// `keep_mount`: the kernel's mount stays (another process holds the session).
  void stop(bool keep_mount = false);

private:
  daemon();
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace nydus
