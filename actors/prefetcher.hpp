// SPDX-License-Identifier: Apache-2.0
// Fetches what an image, a list or a configuration wants fetched before anyone reads it: one batch at a time,
// behind all readers (contract 7.9). Ends when it is through or its mount leaves.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <memory>
#include <string>
#include <vector>

#include "actors/chunk_messages.hpp"
#include "actors/mount_counters.hpp"
#include "actors/rafs_mount.hpp"

namespace nydus {

struct prefetch_parts {
  std::string mountpoint;
  std::shared_ptr<const image> contents;
  prefetch_config settings;
  std::vector<caf::actor> caches; // as image::blobs()
  std::vector<std::string> paths; // from the mount request; they stand in for the image's own list
  std::shared_ptr<cache_counters> seen;
  fetch_cause cause;
};

/// prefetched (from a blob_cache)
/// Runs on the worker pool alone, whoever sends to it: it lists directories.
caf::actor spawn_prefetcher(caf::actor_system& system, prefetch_parts parts);

} // namespace nydus
