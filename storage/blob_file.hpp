// SPDX-License-Identifier: Apache-2.0
// A sparse file of the local cache: <blob id>.blob.data, or .blob.raw where stored bytes are kept.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "protocol/result.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus {

/// Threads: any. Several processes may have the same file open; the descriptor stays good when the file is
/// unlinked.
class blob_file {
public:
  /// Opens or makes `path`. `size`: bytes it is to have, 0 if unknown (it grows as it is written). A file
  /// that is larger is none of ours: it is replaced. `was_made` tells whether what it held before, if
  /// anything, is gone.
  static result<blob_file> open(const std::string& path, std::uint64_t size, bool& was_made);

  result<void> write(std::uint64_t offset, std::span<const std::byte> bytes) const;
  /// Fills `bytes`. unavailable if the file is shorter.
  result<void> read(std::uint64_t offset, std::span<std::byte> bytes) const;

  int fd() const noexcept { return fd_.get(); }
  const std::string& path() const noexcept { return path_; }

private:
  unique_fd fd_;
  std::string path_;
};

} // namespace nydus
