// SPDX-License-Identifier: Apache-2.0
// Property: whatever is stored, no byte is written outside the chunk.
#include <vector>

#include "storage/decompress.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3)
    return 0;
  std::vector<std::byte> plain(1 + data[1] + 256u * data[2]);
  const auto kind = static_cast<nydus::compressor>(data[0] % 4);
  (void) nydus::decompress(kind, std::as_bytes(std::span{data + 3, size - 3}), plain);
  return 0;
}
