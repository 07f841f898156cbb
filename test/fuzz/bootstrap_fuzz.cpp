// SPDX-License-Identifier: Apache-2.0
// Property: no bootstrap crashes us, is read behind its end, or keeps a walk from ending.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "metadata/image.hpp"
#include "metadata/rafs_v5/layout.hpp"

using namespace nydus;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int fd = ::memfd_create("bootstrap", 0);
  // The superblock is mostly zeros that the fuzzer need not find: its 80 used bytes come first, then what
  // follows it.
  std::vector<std::uint8_t> bytes(rafs_v5::superblock_size);
  std::copy_n(data, std::min<std::size_t>(size, 80), bytes.begin());
  const auto put = [&](std::size_t at, std::uint32_t word) { std::memcpy(bytes.data() + at, &word, 4); };
  put(0, rafs_v5::magic), put(4, rafs_v5::version), put(8, rafs_v5::superblock_size), put(12, 4096);
  if (size > 80)
    bytes.insert(bytes.end(), data + 80, data + size);
  bytes.resize(rafs_v5::align8(bytes.size()));
  (void) !::write(fd, bytes.data(), bytes.size());
  if (auto opened = open_image("/proc/self/fd/" + std::to_string(fd))) {
    const auto& image = **opened;
    std::vector<chunk_slice> slices;
    for (std::uint64_t number = 1; number <= std::min<std::uint64_t>(image.description().highest_inode, 64);
         ++number) {
      const inode_number inode{number};
      (void) image.attributes(inode), (void) image.parent(inode), (void) image.symlink_target(inode);
      (void) image.lookup(inode, "name"), (void) image.verify(inode), (void) image.xattr(inode, "user.x");
      (void) image.list_xattrs(inode, [](auto, auto) {});
      (void) image.list(inode, 0, [](const directory_entry&) { return true; });
      slices.clear();
      (void) image.slices(inode, 1, 1 << 20, slices);
    }
    (void) image.prefetch_list();
  }
  ::close(fd);
  return 0;
}
