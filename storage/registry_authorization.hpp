// SPDX-License-Identifier: Apache-2.0
// The Authorization header that a registry wants: none, the user's, or a token that is fetched with it and
// again when it has run out. One token serves all readers of a backend, and one of them at a time fetches it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "protocol/result.hpp"
#include "storage/backend_config.hpp"
#include "storage/registry_challenge.hpp"

namespace nydus {

/// Threads: all members may be called from any thread, several at once.
class registry_authorization {
public:
  explicit registry_authorization(const registry_config& config);

  /// The header's value; immutable.
  struct credential {
    std::string value; // empty: none is sent
    std::chrono::steady_clock::time_point good_until = std::chrono::steady_clock::time_point::max();
  };
  using pointer = std::shared_ptr<const credential>;

  /// What to send now; never null.
  pointer current() const { return current_.load(); }
  /// What to send after the registry answered `challenge` to a request with `refused`. Blocks while it is
  /// fetched, by this thread or another. backend_down names the token server and the cause.
  result<pointer> renew(const auth_challenge& challenge, const pointer& refused);
  /// From now on another user's (base64 of user:password); tokens of the former one are forgotten.
  void set_auth(const std::string& auth);

private:
  result<pointer> fetch(const auth_challenge& challenge, const std::string& auth) const;
  result<pointer> fetch_token(const auth_challenge& challenge, const std::string& auth) const;

  const registry_config config_;
  std::atomic<std::shared_ptr<const std::string>> auth_;
  std::atomic<pointer> current_;
  /// What the last fetch came to, for those who waited for it.
  struct fetched {
    std::uint32_t number = 0;
    result<pointer> outcome{pointer{}};
  };
  std::atomic<std::shared_ptr<const fetched>> last_;
  std::atomic<std::uint32_t> fetches_{0}; // odd while one is under way
};

} // namespace nydus
