// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 on a unix socket, by libmicrohttpd: many clients at once, requests answered in any order.
// Neighbours: http_target reads request lines; http_inbox brings answers to the reactor; nydusd.cpp hands
// requests to api_front, which runs on the same reactor, so that a call wakes no thread on its way there.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "protocol/result.hpp"

namespace nydus {

class reactor;

/// Bytes of a request body at most; longer ones are answered 413 and read to their end.
constexpr std::size_t largest_http_body = 10 << 20;

struct http_request {
  std::string method;
  std::string path;                         // without query; absolute-form URIs are cut to it
  std::map<std::string, std::string> query; // decoded
  std::string body;
};

struct http_answer {
  int status = 204;
  std::string body;                              // empty: none
  std::string content_type = "application/json"; // of the body
};

/// The duty to answer one request: once, from any thread; what comes later is dropped. Dropped unanswered it
/// answers 500. May outlive the server.
class http_responder {
public:
  virtual ~http_responder() = default;
  virtual void answer(http_answer with) = 0;
};

/// Threads: the library, and the handler that it calls, run on the reactor alone; the handler must not block.
/// Connections that idle are never closed by us, whether or not they ever sent a byte.
class http_server {
public:
  using handler = std::function<void(http_request, std::shared_ptr<http_responder>)>;

  /// Listens at `path`: a stale socket there is replaced, the new one has mode 0600. unavailable names the
  /// call. `where` has to run until the server is destroyed.
  static result<std::unique_ptr<http_server>> start(caf::actor_system& system, reactor& where,
                                                    const std::string& path, handler handle);
  /// Answers what is still unanswered with 503, sends what is answered (for a second at most), ends all
  /// connections and removes the socket. Waits for the reactor, so it is not called there.
  ~http_server();

private:
  http_server(caf::actor_system& system, caf::actor runner) : system_(system), runner_(std::move(runner)) {}
  caf::actor_system& system_;
  caf::actor runner_;
};

} // namespace nydus
