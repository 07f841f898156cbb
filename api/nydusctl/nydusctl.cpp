// SPDX-License-Identifier: Apache-2.0
// nydusctl: asks and steers a running nydusd over the socket of its API.
#include <iostream>

#include "api/nydusctl/command_line.hpp"
#include "api/nydusctl/daemon_client.hpp"
#include "api/nydusctl/inspection_commands.hpp"
#include "api/nydusctl/page_server.hpp"
#include "api/nydusctl/public_commands.hpp"

int main(int argc, char** argv) {
  using namespace nydus;
  const auto parsed = ctl::parse_command_line(argc, argv);
  if (!parsed.chosen)
    return parsed.exit_status;
  const auto& [socket, is_raw, chosen] = *parsed.chosen;
  ctl::daemon_client daemon{socket};
  const auto outcome =
      std::visit([&, raw = is_raw](const auto& asked) { return run(asked, raw, daemon, std::cout); }, chosen);
  if (!outcome)
    std::cerr << "nydusctl: " << outcome.error().detail << '\n';
  return outcome ? 0 : 1;
}
