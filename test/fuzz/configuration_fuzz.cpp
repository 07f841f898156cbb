// SPDX-License-Identifier: Apache-2.0
// Property: no configuration text crashes us, and a refused one comes with a reason.
#include <cstdlib>

#include "api/daemon_config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = nydus::parse_config({reinterpret_cast<const char*>(data), size});
  if (!parsed && parsed.error().detail.empty())
    std::abort();
  return 0;
}
