// SPDX-License-Identifier: Apache-2.0
// Chunks of another image that this one may refer to instead of storing them again (--chunk-dict).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "builder/build_settings.hpp"
#include "builder/chunk_table.hpp"
#include "builder/image_blob.hpp"
#include "protocol/result.hpp"

namespace nydus::builder {

/// Threads: one.
class chunk_dictionary {
public:
  /// Loads the image that settings.chunk_dictionary names; empty if it names none. Failures as of load_image.
  static result<chunk_dictionary> load(const build_settings& settings);

  /// The position in `chunks` of the dictionary's chunk with that digest: it is added there at first use, and
  /// its blob to `blobs`.
  std::optional<std::uint32_t> find(const digest_bytes& digest, std::uint32_t uncompressed_size,
                                    chunk_table& chunks, std::vector<image_blob>& blobs);

private:
  chunk_table known_;
  std::vector<image_blob> blobs_;
  std::vector<std::optional<std::uint32_t>> used_; // by position in known_: the position in the image's table
};

} // namespace nydus::builder
