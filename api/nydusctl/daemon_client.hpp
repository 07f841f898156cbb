// SPDX-License-Identifier: Apache-2.0
// HTTP to one daemon over the unix socket of its API, by libcurl. The answer's bytes are not trusted here or
// by callers: answer_reader checks them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "protocol/result.hpp"

namespace nydus::ctl {

/// Bytes of an answer at most; a longer one is cut off and fails.
constexpr std::size_t largest_answer = 256 << 20;

struct daemon_reply {
  long status = 0;
  std::string content_type;
  std::string body;
};

/// Threads: one at a time. A call waits for the answer, 30 seconds at most.
class daemon_client {
public:
  explicit daemon_client(std::string socket);
  ~daemon_client();
  daemon_client(daemon_client&&) noexcept;

  /// Any answer, a refusal too. `target`: path and encoded query. Failures: unavailable, if none came; the
  /// detail says what to do.
  result<daemon_reply> call(const std::string& method, const std::string& target,
                            const std::string& body = {});
  /// The body of a successful GET. Failures: also what the daemon refused and why.
  result<std::string> get(const std::string& target);
  /// For calls that answer with success alone.
  result<void> send(const std::string& method, const std::string& target, const std::string& body);

private:
  struct connection;
  std::unique_ptr<connection> connection_;
};

/// "%2Fa%20b" for "/a b", for a query.
std::string encoded(std::string_view text);

} // namespace nydus::ctl
