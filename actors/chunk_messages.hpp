// SPDX-License-Identifier: Apache-2.0
// Between a mount, the cache of a blob, and the fetcher and readers of its backend.
#pragma once

#include <caf/actor.hpp>

#include <cstdint>
#include <memory>
#include <vector>

#include "actors/trace_event.hpp"
#include "metadata/chunk.hpp"
#include "protocol/bytes/owned_bytes.hpp"
#include "protocol/result.hpp"
#include "storage/read_plan.hpp"

namespace nydus {

/// For whom bytes are fetched.
struct fetch_cause {
  trace_id trace{};        // the request that made it necessary; none: nobody waits
  std::uint32_t mount = 0; // mount number
};

/// Asks a blob_cache for chunks that the asker did not find present. Answer: chunks_ready, once, when all of
/// `wanted` are settled (none: no answer). `ahead` are chunks that may be fetched along the way; nobody waits
/// for them.
struct need_chunks {
  caf::actor asker;
  std::uint64_t ticket = 0; // echoed
  std::vector<chunk> wanted;
  std::vector<chunk> ahead;
  fetch_cause cause;
};

/// How one chunk came out: in the cache file (both unset), in memory only (`bytes`), or not at all.
struct settled_chunk {
  std::uint64_t compressed_offset = 0; // names the chunk within its blob
  shared_bytes bytes;
  errc why = errc::none;
};

struct chunks_ready {
  std::uint64_t ticket = 0;
  std::vector<settled_chunk> chunks;
};

/// Prefetch: fetch what is missing of these, after all that readers wait for. Answer: prefetched, when done.
struct prefetch_chunks {
  caf::actor asker;
  std::vector<chunk> chunks;
  fetch_cause cause;
};
struct prefetched {
  std::uint64_t bytes = 0;
  std::uint32_t requests = 0;
};

struct blob_cache_parts;

/// One read of the backend and the chunks it holds, for a blob_fetcher. Answer: run_read to `cache`, unless
/// the cache leaves before a reader takes it up.
struct fetch_run {
  caf::actor cache;
  std::shared_ptr<const blob_cache_parts> parts; // of that cache
  planned_read run;
  bool is_prefetch = false;
  fetch_cause cause;
  std::uint64_t queued_at = 0; // nanoseconds
};
/// Somebody waits for the chunk at that offset now: its run is prefetch no longer.
struct hurry_run {
  caf::actor cache;
  std::uint64_t compressed_offset = 0;
};
/// The cache ends: what it has queued is dropped.
struct drop_runs {
  caf::actor cache;
};
struct run_read {
  std::uint64_t offset = 0; // of the run
  bool is_prefetch = false;
  std::uint64_t bytes = 0; // read from the backend
  std::vector<settled_chunk> chunks;
  trace_event trace; // of this fetch
};

} // namespace nydus
