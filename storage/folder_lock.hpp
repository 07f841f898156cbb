// SPDX-License-Identifier: Apache-2.0
// One process at a time opens, makes or replaces cache files in a folder. Neighbours: blob_cache_files holds
// it while it opens.
#pragma once

#include <chrono>
#include <string>

#include "protocol/result.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus {

/// Locks the folder at `path` against other callers, of this process too, until the descriptor is closed or
/// the process dies. A file system that has no locks is taken unlocked. Waits `patience` at most, then
/// timed_out: whoever holds it hangs. Other failures: not_found, unavailable.
result<unique_fd> lock_folder(const std::string& path, std::chrono::milliseconds patience);

} // namespace nydus
