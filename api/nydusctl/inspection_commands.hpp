// SPDX-License-Identifier: Apache-2.0
// The commands that look inside a daemon while it works: actors, trace and top. Neighbour: page_server serves
// the same to a browser.
#pragma once

#include <iosfwd>

#include "api/nydusctl/command_line.hpp"
#include "api/nydusctl/daemon_client.hpp"

namespace nydus::ctl {

result<void> run(const show_actors&, bool is_raw, daemon_client& daemon, std::ostream& out);
/// Writes a file if asked, else a table, or the JSON if `is_raw`.
result<void> run(const show_trace& asked, bool is_raw, daemon_client& daemon, std::ostream& out);
/// Draws until the user ends it or the daemon does.
result<void> run(const show_top& asked, bool is_raw, daemon_client& daemon, std::ostream& out);

} // namespace nydus::ctl
