// SPDX-License-Identifier: Apache-2.0
// Writes a finished tree as a RAFS v6 bootstrap (RAFS v6 spec sections 1 to 10 and 16).
#pragma once

#include <vector>

#include "builder/blob_writer.hpp"
#include "builder/build_settings.hpp"
#include "builder/inode_numbering.hpp"
#include "builder/output_file.hpp"

namespace nydus::builder {

/// Gives the bootstrap's size in bytes. `prefetched`: indexes of inodes, in order. Failures: the output's;
/// not_supported for what the format cannot hold.
result<std::uint64_t> write_bootstrap_v6(const build_settings& settings, const numbered_inodes& inodes,
                                         const std::vector<std::uint32_t>& prefetched,
                                         const image_content& content, output_file& out);

} // namespace nydus::builder
