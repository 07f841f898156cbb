// SPDX-License-Identifier: Apache-2.0
// The cache of one blob, shared by the mounts that use it: one fetch per chunk however many ask, readers
// before prefetch. Neighbours: rafs_mount asks; blob_fetcher has it read, decoded and stored.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <memory>

#include "actors/chunk_messages.hpp"
#include "actors/mount_counters.hpp"
#include "metadata/blob.hpp"
#include "storage/blob_backend.hpp"
#include "storage/blob_cache_files.hpp"

namespace nydus {

/// What a cache works with. Shared parts outlive every actor that holds them.
struct blob_cache_parts {
  blob source;
  std::shared_ptr<blob_cache_files> files; // null: nothing is kept
  std::shared_ptr<blob_backend> backend;
  caf::actor fetcher; // of that backend
  std::shared_ptr<backend_counters> backend_seen;
  std::shared_ptr<cache_counters> cache_seen;
  std::uint64_t batch_size = 1 << 20; // bytes that one read may merge
  bool check_fetched = true;
};

/// need_chunks -> chunks_ready to its asker, once, in any order
/// prefetch_chunks -> prefetched to its asker
/// Ends on an exit message; what is being read then is still stored, what is queued is dropped.
caf::actor spawn_blob_cache(caf::actor_system& system, blob_cache_parts parts);

} // namespace nydus
