// SPDX-License-Identifier: Apache-2.0
// What the local cache keeps of one blob: its file and its presence bits, and the order in which they are
// written.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "metadata/blob.hpp"
#include "metadata/chunk.hpp"
#include "storage/backend_config.hpp"
#include "storage/blob_file.hpp"
#include "storage/chunk_presence.hpp"

namespace nydus {

/// Threads: any. Files and bits agree: a set bit means that right bytes were written before it was set.
class blob_cache_files {
public:
  /// Opens or makes the cache of `source` in config.work_directory, which is made too. `config.kind` is
  /// files.
  static result<std::shared_ptr<blob_cache_files>> open(const cache_config& config, const blob& source);

  /// The chunk's decompressed bytes lie in file() and may be served as they are.
  bool is_servable(const chunk& wanted) const noexcept;
  /// The chunk is in the file, but has to be decoded or checked before it is served.
  bool is_kept(const chunk& wanted) const noexcept;
  /// Where the chunk lies in the file, and how many bytes it has there.
  std::uint64_t offset_of(const chunk& kept) const noexcept;
  std::uint64_t size_of(const chunk& kept) const noexcept;

  /// Writes a checked chunk, decompressed or as stored by what the cache keeps, and then sets its bit.
  result<void> store(const chunk& checked, std::span<const std::byte> stored,
                     std::span<const std::byte> plain);
  /// Notes that a kept chunk was checked by this process.
  void mark_checked(const chunk& checked) noexcept;

  const std::shared_ptr<const blob_file>& file() const noexcept { return file_; }
  bool keeps_compressed() const noexcept { return keeps_compressed_; }
  std::uint64_t present_count() const noexcept { return presence_ ? presence_->count() : 0; }

private:
  blob_cache_files() = default;

  blob source_;
  std::shared_ptr<const blob_file> file_;
  std::unique_ptr<chunk_presence> presence_; // null: the image does not number its chunks
  std::unique_ptr<chunk_presence> checked_;  // set if cached chunks are checked again by each process
  bool keeps_compressed_ = false;
};

} // namespace nydus
