// SPDX-License-Identifier: Apache-2.0
// A request of the HTTP API, its answer, and the duty to give one. Neighbours: http_server and http_loop
// bring requests and take answers, api_front and its endpoints handle them.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace nydus {

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

/// Takes a request; its duty to answer may be kept.
using http_handler = std::function<void(http_request, std::shared_ptr<http_responder>)>;

} // namespace nydus
