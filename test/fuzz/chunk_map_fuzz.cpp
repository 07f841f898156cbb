// SPDX-License-Identifier: Apache-2.0
// Property: whatever lies where a chunk map should be, it opens, its count is that of its set bits, and a set
// bit is seen by a second opener.
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "storage/chunk_presence.hpp"

using namespace nydus;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string path = "/tmp/chunk_map_fuzz." + std::to_string(::getpid());
  if (size < 2)
    return 0;
  const auto chunk_count = 1u + data[0];
  std::string file(4096 + (chunk_count + 7) / 8 + data[1] % 2, '\0'); // of the right size half of the time
  file.replace(0, 12, std::string{"PAMB\1\0\0\0PAMC", 12}); // and of the right magic, until overwritten
  for (std::size_t i = 2; i + 2 < size; i += 3)             // each record: where, and what
    file[(data[i] * 20u + data[i + 1]) % file.size()] = static_cast<char>(data[i + 2]);
  std::ofstream{path, std::ios::binary | std::ios::trunc}.write(file.data(),
                                                                static_cast<std::streamsize>(file.size()));
  {
    auto presence = chunk_presence::open(path, chunk_count);
    auto other = chunk_presence::open(path, chunk_count);
    if (!presence || !other)
      std::abort();
    std::uint64_t set = 0;
    for (std::uint32_t i = 0; i < chunk_count; ++i)
      set += (*presence)->test(i) ? 1 : 0;
    (*presence)->set(data[1]);
    if ((*other)->test(data[1]) != (data[1] < chunk_count) || (*presence)->test(chunk_count) ||
        set > (*other)->count())
      std::abort();
  }
  ::unlink(path.c_str());
  return 0;
}
