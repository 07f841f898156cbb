// SPDX-License-Identifier: Apache-2.0
// Takes HTTP requests to the mounts and brings the answers back: the route table of the API. An actor, so
// that a slow mount holds up no other call.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/daemon_state.hpp"
#include "api/http_messages.hpp"
#include "storage/mount_settings.hpp"

namespace nydus {

class reactor;

struct api_parts {
  caf::actor supervisor;
  std::vector<caf::actor> ports; // asked for requests in flight and slow ones
  caf::actor census;
  std::vector<const reactor*> reactors; // outlive the front
  std::string id;
  std::string supervisor_path;
  /// For mounts of the oldest form that bring none: what --config or --localfs-dir says, or why there is
  /// none.
  result<mount_settings> default_settings =
      failure{errc::malformed, "the daemon was started without --config"};
  daemon_state state = daemon_state::running;
  std::function<bool(const std::string& level)> set_log_level; // false: no such level
  std::function<void()> exit;                                  // ends the process and leaves the mount
};

/// One HTTP request and the duty to answer it.
struct http_call {
  http_request request;
  std::shared_ptr<http_responder> responder;
};

/// http_call
/// Runs on `control`, where the supervisor runs too: a call wakes no thread between them.
caf::actor spawn_api_front(caf::actor_system& system, reactor& control, api_parts parts);

/// Every method and path that is served, as "GET /api/v1/daemon".
std::vector<std::string> served_routes();

} // namespace nydus
