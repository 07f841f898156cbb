// SPDX-License-Identifier: Apache-2.0
// An HTTP server on loopback for tests of backends behind a network: it answers what the test says.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace nydus {

/// What came in.
struct staged_request {
  std::string method;
  std::string path;                           // without query
  std::map<std::string, std::string> query;   // decoded
  std::map<std::string, std::string> headers; // names in lower case
};

struct staged_answer {
  unsigned status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::size_t cut_after = std::string::npos; // bytes of the body after which the connection is closed
};

class http_stage {
public:
  using play = std::function<staged_answer(const staged_request&)>;
  /// `answer` is called on the server's thread, one request at a time.
  explicit http_stage(play answer);
  ~http_stage();

  std::uint16_t port() const noexcept;
  /// "127.0.0.1:PORT"
  std::string host() const { return "127.0.0.1:" + std::to_string(port()); }

private:
  struct stage;
  std::unique_ptr<stage> stage_;
};

/// The answer of a server that knows ranges to a request for part of `content`.
staged_answer range_of(const std::string& content, const staged_request& request);

} // namespace nydus
