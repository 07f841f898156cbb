// SPDX-License-Identifier: Apache-2.0
// Which chunks a mount asks the caches of its blobs for: those that a read lacks, and those that are worth
// fetching along with them.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "actors/chunk_messages.hpp"
#include "actors/rafs_mount.hpp"

namespace nydus {

/// Threads: the mount's actor alone. Borrows the parts.
class chunk_needs {
public:
  using by_blob = std::map<std::uint32_t, need_chunks>; // asker and ticket are not filled in

  explicit chunk_needs(const rafs_mount_parts& parts) noexcept : parts_(parts) {}

  /// The chunk lies in the cache file and may be served as it is.
  bool is_servable(const chunk& wanted) const noexcept;
  /// All of them do, or are holes.
  bool are_servable(std::span<const chunk_slice> slices) const noexcept;

  /// What a read of `inode` from `offset` on, which is those slices, has to wait for, and their neighbours:
  /// what lies right behind the last of them in its blob, from this file and the next ones, as far as one
  /// read of the backend may merge.
  by_blob of_read(inode_number inode, std::uint64_t offset, std::span<const chunk_slice> slices);
  /// What is missing of a range that nobody waits for.
  by_blob of_range(inode_number inode, std::uint64_t offset, std::uint64_t size);

private:
  void add_neighbours(inode_number inode, std::uint64_t offset, const chunk& last, need_chunks& need);

  const rafs_mount_parts& parts_;
  std::vector<chunk_slice> slices_; // kept for its memory
};

} // namespace nydus
