// SPDX-License-Identifier: Apache-2.0
// The table of a RAFS v6 blob's chunks that lies behind them (RAFS v6 spec sections 11.1 to 11.3).
#pragma once

#include <cstdint>

#include "builder/build_settings.hpp"
#include "builder/chunk_table.hpp"
#include "builder/image_blob.hpp"
#include "builder/output_file.hpp"
#include "protocol/result.hpp"

namespace nydus::builder {

/// Writes the table of the chunks of `blob` (position `blob_index` in the blob table), compressed as the
/// chunks are if that makes it smaller, and its header. Fills in blob.entry what the bootstrap says of chunks
/// and table.
result<void> write_chunk_infos(const build_settings& settings, const chunk_table& chunks,
                               std::uint32_t blob_index, image_blob& blob, output_file& out);

} // namespace nydus::builder
