// SPDX-License-Identifier: Apache-2.0
// Property: whatever lies in a guest's memory, a chain that is accepted has all its places in that memory,
// the sizes are their sums, and the walk ends.
#include <cstdlib>
#include <cstring>

#include "test/fakes/shared_memory.hpp"

#include "protocol/virtio/descriptor_chain.hpp"

using namespace nydus;
using namespace nydus::virtio;

namespace {

constexpr std::size_t memory_size = 4096;

void check(const shared_memory& memory, const std::vector<iovec>& places, std::uint32_t size) {
  std::size_t sum = 0;
  for (const auto& place : places) {
    const auto* start = static_cast<const std::byte*>(place.iov_base);
    if (start < memory.at(0) || place.iov_len > memory_size || start + place.iov_len > memory.at(memory_size))
      std::abort();
    sum += place.iov_len;
  }
  if (sum != size)
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const shared_memory memory{memory_size};
  static descriptor_chain chain;
  std::memset(memory.at(0), 0, memory_size);
  std::memcpy(memory.at(0), data, std::min(size, memory_size));
  const descriptor_table table{memory.at(0), 32, size % 2 == 0};
  for (std::uint16_t head = 0; head < 40; ++head)
    if (read_chain(table, *memory.map(), head, chain)) {
      check(memory, chain.readable, chain.readable_size);
      check(memory, chain.writable, chain.writable_size);
    }
  return 0;
}
