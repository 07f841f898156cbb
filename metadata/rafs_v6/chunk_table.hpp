// SPDX-License-Identifier: Apache-2.0
// The chunk table (RAFS v6 spec section 10): a record of every chunk, in the order of their digests. Files
// name chunks by blob and index in it, so the records are put in that order once, when the image is opened.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "metadata/chunk_record.hpp"
#include "protocol/result.hpp"

namespace nydus::rafs_v6 {

/// Borrows the records from the image; has 4 bytes of its own for each.
class chunk_table {
public:
  /// `records` as they lie in the image, a multiple of their size. Takes time with their number (a million:
  /// half a second). corrupt: a blob that the image lacks, or two records of one chunk.
  static result<chunk_table> read(std::span<const std::byte> records, std::size_t blob_count);

  /// The record of a chunk; none: the image lacks it.
  std::optional<chunk_record> find(std::uint32_t blob_index, std::uint32_t index) const noexcept;

private:
  chunk_record record_at(std::size_t position) const noexcept;

  std::span<const std::byte> records_;
  std::vector<std::uint32_t> order_; // positions of records, by blob and index
  std::vector<std::size_t> starts_;  // of each blob's in order_, and the end of the last
};

} // namespace nydus::rafs_v6
