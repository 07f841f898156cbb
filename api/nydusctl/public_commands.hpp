// SPDX-License-Identifier: Apache-2.0
// The commands that the public nydusctl has too: what is asked of the daemon and printed for each.
#pragma once

#include <iosfwd>

#include "api/nydusctl/command_line.hpp"
#include "api/nydusctl/daemon_client.hpp"

namespace nydus::ctl {

/// Each writes to `out` what the user is to see. `is_raw`: the daemon's answer as it came.
result<void> run(const show_daemon&, bool is_raw, daemon_client& daemon, std::ostream& out);
result<void> run(const set_log_level& asked, bool is_raw, daemon_client& daemon, std::ostream& out);
/// With an interval it repeats until the daemon fails to answer.
result<void> run(const show_metrics& asked, bool is_raw, daemon_client& daemon, std::ostream& out);
result<void> run(const mount_source& asked, bool is_raw, daemon_client& daemon, std::ostream& out);
result<void> run(const unmount& asked, bool is_raw, daemon_client& daemon, std::ostream& out);

} // namespace nydus::ctl
