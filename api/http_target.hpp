// SPDX-License-Identifier: Apache-2.0
// The target of a request line -> path and decoded query. Pure. Neighbour: http_server calls it.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "protocol/result.hpp"

namespace nydus {

struct http_target {
  std::string path;                         // as sent; absolute-form URIs are cut to it
  std::map<std::string, std::string> query; // decoded; the last of equal names counts
};

/// "%2F" and "/" mean the same in a query and '+' is a space; a '%' that starts no escape stands for itself.
/// Failures: malformed if a decoded name or value holds a NUL, which no path can.
result<http_target> parse_target(std::string_view target);

} // namespace nydus
