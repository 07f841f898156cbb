// SPDX-License-Identifier: Apache-2.0
// Property: no bootstrap of RAFS v5 crashes us, is read behind its end, or keeps a walk from ending.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "metadata/rafs_v5/layout.hpp"
#include "test/fuzz/asked_image.hpp"

using namespace nydus;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The superblock is mostly zeros that the fuzzer need not find: its 80 used bytes come first, then what
  // follows it.
  std::vector<std::uint8_t> bytes(rafs_v5::superblock_size);
  std::copy_n(data, std::min<std::size_t>(size, 80), bytes.begin());
  const auto put = [&](std::size_t at, std::uint32_t word) { std::memcpy(bytes.data() + at, &word, 4); };
  put(0, rafs_v5::magic), put(4, rafs_v5::version), put(8, rafs_v5::superblock_size), put(12, 4096);
  if (size > 80)
    bytes.insert(bytes.end(), data + 80, data + size);
  bytes.resize(rafs_v5::align8(bytes.size()));
  std::vector<std::uint64_t> numbers(64);
  std::iota(numbers.begin(), numbers.end(), 1);
  ask_image(bytes, numbers);
  return 0;
}
