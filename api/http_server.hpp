// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 on a unix socket, by libmicrohttpd: many clients at once, requests answered in any order.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "protocol/result.hpp"

namespace nydus {

struct http_request {
  std::string method;
  std::string path;                         // without query; absolute-form URIs are cut to it
  std::map<std::string, std::string> query; // decoded
  std::string body;
};

struct http_answer {
  int status = 204;
  std::string body; // JSON; empty: none
};

/// The duty to answer one request: once, from any thread. Dropped unanswered it answers 500.
class http_responder {
public:
  virtual ~http_responder() = default;
  virtual void answer(http_answer with) = 0;
};

/// Threads: the library runs one thread of its own; handlers are called on it and must not block. Connections
/// that idle are never closed by us.
class http_server {
public:
  using handler = std::function<void(http_request, std::shared_ptr<http_responder>)>;

  /// Listens at `path`: a stale socket there is replaced, the new one has mode 0600. unavailable names the
  /// call.
  static result<std::unique_ptr<http_server>> start(const std::string& path, handler handle);
  /// Ends all connections and removes the socket.
  ~http_server();

private:
  http_server();
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace nydus
