// SPDX-License-Identifier: Apache-2.0
// Property: no request target crashes us, and no NUL reaches a decoded query.
#include <cstdint>
#include <cstdlib>

#include "api/http_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = nydus::parse_target({reinterpret_cast<const char*>(data), size});
  if (parsed)
    for (const auto& [name, value] : parsed->query)
      if (name.empty() || (name + value).find('\0') != std::string::npos)
        std::abort();
  return 0;
}
