// SPDX-License-Identifier: Apache-2.0
// Opens what lies below a directory, however long the path is.
#pragma once

#include <string>

#include "builder/file_tree.hpp"
#include "protocol/result.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus::builder {

/// What a failed call on a part of the source means: as system_failure, with advice where rights are missing.
failure source_failure(std::string what, int error_number);

/// Opens `node` (no symlink in its last step) with `flags` of open(2). The path may be longer than PATH_MAX.
/// Failures name `source` and the path in it. Any thread.
result<unique_fd> open_node(int source_descriptor, const std::string& source, const tree_node& node,
                            int flags);

} // namespace nydus::builder
