// SPDX-License-Identifier: Apache-2.0
// Property: no request crashes the decoder, and a decoded name is one that a directory may hold.
#include <cstdlib>

#include "protocol/fuse/init_handshake.hpp"
#include "protocol/fuse/request.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span{data, size});
  const auto decoded = nydus::fuse::decode(bytes);
  if (decoded.request_or_failure) {
    const auto& asked = *decoded.request_or_failure;
    if (asked.name.size() > 255 || asked.name.find('\0') != std::string::npos)
      std::abort();
    if (asked.opcode == FUSE_LOOKUP && (asked.name.empty() || asked.name.find('/') != std::string::npos))
      std::abort();
  }
  (void) nydus::fuse::answer_init(bytes);
  return 0;
}
