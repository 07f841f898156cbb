// SPDX-License-Identifier: Apache-2.0
// All different chunks that the image refers to, found by digest. Files hold positions in it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "metadata/rafs_v5/layout.hpp"

namespace nydus::builder {

/// Threads: one.
class chunk_table {
public:
  chunk_table();

  /// Appends the record and gives its position. Of several with one digest find() knows the first.
  std::uint32_t add(const rafs_v5::chunk_record& record);
  /// The position of the chunk with that digest; none if it has another size.
  std::optional<std::uint32_t> find(const digest_bytes& digest, std::uint32_t uncompressed_size) const;

  rafs_v5::chunk_record& operator[](std::uint32_t position) { return records_[position]; }
  const rafs_v5::chunk_record& operator[](std::uint32_t position) const { return records_[position]; }
  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(records_.size()); }

private:
  std::size_t slot_of(const digest_bytes& digest) const noexcept;
  void grow();

  std::deque<rafs_v5::chunk_record> records_; // file_offset is the file's to say
  std::vector<std::uint32_t> slots_;          // position + 1; 0: free. Open addressing, at most half full
  std::size_t used_ = 0;
  std::uint64_t seed_; // digests of a parent image may be chosen by an enemy
};

} // namespace nydus::builder
