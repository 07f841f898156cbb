// SPDX-License-Identifier: Apache-2.0
// What a registry says of how to authenticate: the WWW-Authenticate header (RFC 9110 section 11.6.1,
// distribution specification "token").
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nydus {

struct auth_challenge {
  enum class scheme { basic, bearer };
  scheme kind = scheme::basic;
  std::string realm; // bearer: URL of the token server
  std::string service;
  std::string scope;
};

/// The first challenge of a kind that is known; none if there is none, or a bearer's realm is no http(s) URL.
std::optional<auth_challenge> parse_challenge(std::string_view header);

} // namespace nydus
