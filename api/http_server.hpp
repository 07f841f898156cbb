// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 on a unix socket, by libmicrohttpd: many clients at once, requests answered in any order.
// Neighbours: http_target reads request lines; http_inbox brings answers to the reactor; nydusd.cpp hands
// requests to api_front, which runs on the same reactor, so that a call wakes no thread on its way there.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <memory>
#include <string>

#include "api/http_messages.hpp"
#include "protocol/result.hpp"

namespace nydus {

class reactor;

/// Threads: the library, and the handler that it calls, run on the reactor alone; the handler must not block.
/// Connections that idle are never closed by us, whether or not they ever sent a byte.
class http_server {
public:
  /// Listens at `path`: a stale socket there is replaced, the new one has mode 0600. unavailable names the
  /// call. `where` has to run until the server is destroyed.
  static result<std::unique_ptr<http_server>> start(caf::actor_system& system, reactor& where,
                                                    const std::string& path, http_handler handle);
  /// Answers what is still unanswered with 503, sends what is answered (for a second at most), ends all
  /// connections and removes the socket. Waits for the reactor, so it is not called there.
  ~http_server();

private:
  http_server(caf::actor_system& system, caf::actor runner) : system_(system), runner_(std::move(runner)) {}
  caf::actor_system& system_;
  caf::actor runner_;
};

} // namespace nydus
