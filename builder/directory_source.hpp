// SPDX-License-Identifier: Apache-2.0
// Scans a directory into a file_tree (RAFS v5 spec sections 19.2 and 19.3).
#pragma once

#include <memory>
#include <string>

#include "builder/file_tree.hpp"
#include "protocol/result.hpp"

namespace nydus {

enum class whiteout_spec : std::uint8_t { oci, overlayfs, none };

struct scan_options {
  whiteout_spec whiteouts = whiteout_spec::oci;
  bool is_repeatable = false; // owners are left out
  std::uint32_t chunk_size = rafs_v5::default_chunk_size;
};

/// The tree below `path`. Symlinks are not followed. Failures name the path.
result<std::unique_ptr<file_node>> scan_directory(const std::string& path, const scan_options& options);

} // namespace nydus
