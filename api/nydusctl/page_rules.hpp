// SPDX-License-Identifier: Apache-2.0
// Who may ask the page's server for what. Pure. Neighbour: page_server.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>

#include "protocol/result.hpp"

namespace nydus::ctl {

/// "127.0.0.1:8080" or "[::1]:8080" -> an address to bind; port 0: the kernel chooses. Refuses all that other
/// machines could reach.
result<sockaddr_storage> parse_loopback(const std::string& listen);

/// True if the Host header names this machine itself, with any port. A page of another name that was made to
/// resolve to this machine (DNS rebinding) is told by its name here.
bool is_own_host(std::string_view host);

/// The target to ask the daemon for; none, if `target` is not of those that only look.
std::optional<std::string> daemon_target(std::string_view target);

} // namespace nydus::ctl
