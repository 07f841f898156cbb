// SPDX-License-Identifier: Apache-2.0
// Property: no header of a registry crashes us or keeps us from ending, and a token server is a URL.
#include <cstdint>
#include <cstdlib>

#include "storage/registry_challenge.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto challenge = nydus::parse_challenge({reinterpret_cast<const char*>(data), size});
  if (challenge && challenge->kind == nydus::auth_challenge::scheme::bearer &&
      !challenge->realm.starts_with("http"))
    std::abort();
  return 0;
}
