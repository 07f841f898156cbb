// SPDX-License-Identifier: Apache-2.0
// Scans a directory into a file_tree (spec sections 19.2 and 19.3). Symlinks are not followed, mount points
// are crossed.
#pragma once

#include "builder/build_settings.hpp"
#include "builder/file_tree.hpp"
#include "protocol/result.hpp"

namespace nydus::builder {

struct scanned_directory {
  std::uint64_t entry_count = 0;  // seen, whiteouts included
  std::uint64_t content_size = 0; // bytes of all regular files
};

/// Sets tree.root. Without a parent image whiteouts are left out, with one they stay for layer_merge.
/// Failures: not_found, not_a_directory, unavailable, not_supported (what RAFS has no place for),
/// interrupted; each names the path.
result<scanned_directory> scan_directory(const build_settings& settings, file_tree& tree);

} // namespace nydus::builder
