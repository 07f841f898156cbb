// SPDX-License-Identifier: Apache-2.0
// The daemon's end of its unix sockets: the API's and the vhost-user one.
#pragma once

#include <string>

#include "protocol/result.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus {

/// Listens on a unix socket that only this user may connect to (mode 0600); a socket that is left there is
/// replaced. Non-blocking. malformed: the path is empty or too long, or something else than a socket lies
/// there; unavailable or not_found names the call that failed.
result<unique_fd> listen_at(const std::string& path);

} // namespace nydus
