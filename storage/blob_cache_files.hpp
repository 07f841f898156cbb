// SPDX-License-Identifier: Apache-2.0
// What the local cache keeps of one blob: its file and its presence bits, and the order in which they are
// written.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "metadata/blob.hpp"
#include "metadata/chunk.hpp"
#include "storage/backend_config.hpp"
#include "storage/blob_file.hpp"
#include "storage/chunk_presence.hpp"
#include "storage/loose_presence.hpp"

namespace nydus {

/// Threads: any. Files and bits agree: a set bit means that right bytes were written before it was set.
class blob_cache_files {
public:
  /// Opens or makes the cache of `source` in config.work_directory, which is made too. `config.kind` is
  /// files. Files of another size or kind (compressed or not) are replaced together with their bits.
  /// Processes take turns at it: blocks, 2 s at most. Failures: malformed (blob id, size), no_space,
  /// timed_out (a process hangs while it opens), unavailable.
  static result<std::shared_ptr<blob_cache_files>> open(const cache_config& config, const blob& source);

  /// The chunk's decompressed bytes lie in file() and may be served as they are.
  bool is_servable(const chunk& wanted) const noexcept;
  /// The chunk is in the file, but has to be decoded or checked before it is served.
  bool is_kept(const chunk& wanted) const noexcept;
  /// Where the chunk lies in the file, and how many bytes it has there.
  std::uint64_t offset_of(const chunk& kept) const noexcept;
  std::uint64_t size_of(const chunk& kept) const noexcept;

  /// Writes a checked chunk, decompressed or as stored by what the cache keeps, and then sets its bit. If it
  /// fails no bit is set: no_space, corrupt (it would lie outside the file), not_supported (it has no place
  /// in the file), unavailable.
  result<void> store(const chunk& checked, std::span<const std::byte> stored,
                     std::span<const std::byte> plain);
  /// The last chunk found no room on the disk: until one does again, what nobody waits for is not worth
  /// fetching.
  bool is_full() const noexcept { return is_full_.load(std::memory_order_relaxed); }
  /// Notes that a kept chunk was checked by this process.
  void mark_checked(const chunk& checked) noexcept;

  const std::shared_ptr<const blob_file>& file() const noexcept { return file_; }
  bool keeps_compressed() const noexcept { return keeps_compressed_; }
  std::uint64_t present_count() const noexcept;

private:
  blob_cache_files() = default;

  blob source_;
  std::shared_ptr<const blob_file> file_;
  std::unique_ptr<chunk_presence> presence_; // null: the image does not number its chunks
  loose_presence loose_;                     // used then; its chunks were all checked by this process
  std::unique_ptr<chunk_presence> checked_;  // set if cached chunks are checked again by each process
  bool keeps_compressed_ = false;
  std::atomic<bool> is_full_{false};
};

} // namespace nydus
