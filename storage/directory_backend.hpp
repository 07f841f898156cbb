// SPDX-License-Identifier: Apache-2.0
// Blobs as local files: the backend "localfs" (contract 2.3).
#pragma once

#include <memory>

#include "storage/blob_backend.hpp"

namespace nydus {

/// Threads: any, several at once; each read blocks for as long as the file system does.
/// A blob is opened for each read, so a replaced, repaired or newly arrived file is seen by the next one.
std::shared_ptr<blob_backend> make_directory_backend(const localfs_config& config);

} // namespace nydus
