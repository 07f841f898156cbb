// SPDX-License-Identifier: Apache-2.0
// A sparse file of the local cache: <blob id>.blob.data, or .blob.raw where stored bytes are kept.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "protocol/result.hpp"
#include "protocol/unique_fd.hpp"
#include "storage/resident_pages.hpp"

namespace nydus {

/// Threads: any. Several processes may have the same file open; the descriptor stays good when the file is
/// unlinked.
class blob_file {
public:
  /// Opens the file at `path` if there is one of `size` bytes (0: not known, any but an empty one will do).
  /// Nothing if there is none, or one of another size, which is none of ours or was cut short.
  static result<std::optional<blob_file>> open(const std::string& path, std::uint64_t size);
  /// Makes the file at `path` with `size` zero bytes that take no disk (0: it grows as it is written). What
  /// lies there is unlinked first; who has it open keeps it.
  static result<blob_file> make(const std::string& path, std::uint64_t size);

  /// Writes all of `bytes`, or fails and has written some of them. no_space on a full disk.
  result<void> write(std::uint64_t offset, std::span<const std::byte> bytes) const;
  /// Fills `bytes`. unavailable if the file is shorter.
  result<void> read(std::uint64_t offset, std::span<std::byte> bytes) const;

  /// The bytes [offset, offset + size), mapped, if all of them are in memory, so that whoever reads them
  /// waits for no disk (resident_pages tells how sure that is); else nothing. They go with this object.
  /// System calls that are given them fail with EFAULT if the file is cut short meanwhile. Whoever touches
  /// them itself asks was_cut() after that.
  std::optional<std::span<const std::byte>> resident(std::uint64_t offset, std::uint64_t size) const noexcept;
  /// Whether bytes were touched that the file has no longer: zeros were found in their place.
  bool was_cut() const noexcept;

  /// Number of the file system that it lies on.
  std::uint64_t disk() const noexcept { return disk_; }
  int fd() const noexcept { return fd_.get(); }
  const std::string& path() const noexcept { return path_; }

private:
  /// All of the file, and what is known of its pages.
  struct mapping {
    /// Null without addresses for it, or without a place among the guarded mappings.
    static std::unique_ptr<mapping> of(const unique_fd& file, std::uint64_t size);
    mapping(const std::byte* mapped, std::uint64_t bytes)
        : start(mapped), size(bytes), pages(mapped, bytes) {}
    ~mapping();
    mapping(const mapping&) = delete;
    mapping& operator=(const mapping&) = delete;

    const std::byte* start;
    std::uint64_t size; // bytes
    resident_pages pages;
    std::atomic<bool> was_cut{false};
  };

  unique_fd fd_;
  std::string path_;
  std::uint64_t disk_ = 0;
  std::unique_ptr<mapping> mapping_; // null: size not known, or not to be had; nothing is resident then
};

} // namespace nydus
