// SPDX-License-Identifier: Apache-2.0
// Tells sequential readers from others, so that their next chunks are fetched before they ask. Pure; owned by
// one mount.
#pragma once

#include <array>
#include <cstdint>

namespace nydus {

class read_ahead {
public:
  struct range {
    std::uint64_t offset = 0;
    std::uint64_t size = 0; // 0: nothing to fetch
  };

  /// `window`: bytes to stay ahead of a reader.
  explicit read_ahead(std::uint64_t window) : window_(window) {}

  /// Notes a read of [offset, end) of a file and says which bytes behind it to fetch now; the file may end in
  /// them.
  range after_read(std::uint64_t inode, std::uint64_t offset, std::uint64_t end) noexcept;

private:
  struct stream {
    std::uint64_t inode = 0;
    std::uint64_t next = 0;        // where a sequential reader reads on
    std::uint64_t asked_until = 0; // fetched or being fetched up to here
  };
  std::uint64_t window_;
  std::array<stream, 64> streams_{}; // by inode; a clash only forgets a stream
};

} // namespace nydus
