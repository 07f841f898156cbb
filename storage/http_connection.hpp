// SPDX-License-Identifier: Apache-2.0
// HTTP requests of backends behind a network, by libcurl. A thread has one connection, which stays open from
// one request to the next. Neighbour: the backends decide what to ask, and what an answer means.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "protocol/result.hpp"
#include "storage/backend_config.hpp"

namespace nydus {

/// AWS Signature Version 4, which libcurl computes; empty: none.
struct request_signature {
  std::string scheme; // "aws:amz:REGION:SERVICE"
  std::string key_id;
  std::string key_secret;
};

struct http_request {
  std::string url;
  std::vector<std::string> headers; // "Name: value"
  std::string form;                 // not empty: POST, with this body
  std::span<std::byte> sink;        // gets the body of a 2xx answer; no more than fits is taken
  request_signature signature;
  const http_config* config = nullptr;
  bool uses_proxy = false;
};

struct http_answer {
  long status = 0;
  std::map<std::string, std::string> headers; // names in lower case; of several with one name the last
  std::size_t size = 0;                       // bytes in the sink
  std::string text;                           // without a sink, or of another status: the body's first 64 KiB
  bool is_cut = false;                        // there was more than fits
};

/// Threads: one at a time. Redirects are not followed. No proxy is used but the configured one.
class http_connection {
public:
  /// The calling thread's own.
  static http_connection& of_this_thread();
  ~http_connection();

  /// Blocks until the answer is there, or as long as the timeouts let it. backend_down names the URL (without
  /// its query, which may hold secrets) and the cause; is_tls_failure() then tells more of it.
  result<http_answer> perform(const http_request& request);
  /// Whether the last request failed because no TLS was spoken.
  bool is_tls_failure() const noexcept { return is_tls_failure_; }

private:
  http_connection();
  struct handle;
  std::unique_ptr<handle> handle_;
  bool is_tls_failure_ = false;
};

/// The URL as it may be shown.
std::string shown_url(const std::string& url);

} // namespace nydus
