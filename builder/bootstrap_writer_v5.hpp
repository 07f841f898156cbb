// SPDX-License-Identifier: Apache-2.0
// Writes a finished tree as a RAFS v5 bootstrap (spec sections 1 to 10 and 19.6).
#pragma once

#include "builder/blob_writer.hpp"
#include "builder/build_settings.hpp"
#include "builder/inode_numbering.hpp"
#include "builder/output_file.hpp"
#include "protocol/result.hpp"

namespace nydus::builder {

/// Appends the bootstrap to `out` and gives its size. `prefetched`: inode numbers of the prefetch table.
/// Failures: not_supported (larger than 2 GiB), and those of writing.
result<std::uint64_t> write_bootstrap_v5(const build_settings& settings, const numbered_inodes& inodes,
                                         const std::vector<std::uint32_t>& prefetched,
                                         const image_content& content, output_file& out);

} // namespace nydus::builder
