// SPDX-License-Identifier: Apache-2.0
// Serves the inspection page to a browser on this machine, and passes its questions on to the daemon's unix
// socket: `nydusctl page`. Neighbours: page_rules says what is allowed, page_files holds the page.
#pragma once

#include <iosfwd>

#include "api/nydusctl/command_line.hpp"
#include "api/nydusctl/daemon_client.hpp"

namespace nydus::ctl {

/// Prints the page's address once it is served, and returns on SIGINT or SIGTERM.
result<void> run(const serve_page& asked, bool is_raw, daemon_client& daemon, std::ostream& out);

} // namespace nydus::ctl
