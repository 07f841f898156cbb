// SPDX-License-Identifier: Apache-2.0
// Between a mount, the cache of a blob and the readers of its backend.
#pragma once

#include <caf/actor.hpp>

#include <cstdint>
#include <memory>
#include <vector>

#include "metadata/chunk.hpp"
#include "protocol/bytes/owned_bytes.hpp"
#include "protocol/result.hpp"
#include "storage/read_plan.hpp"

namespace nydus {

/// Asks a blob_cache for chunks that the asker did not find present. Answer: chunks_ready, once, when all of
/// `wanted` are settled (none: no answer). `ahead` are chunks that may be fetched along the way; nobody waits
/// for them.
struct need_chunks {
  caf::actor asker;
  std::uint64_t ticket = 0; // echoed
  std::vector<chunk> wanted;
  std::vector<chunk> ahead;
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
};
struct prefetched {
  std::uint64_t bytes = 0;
  std::uint32_t requests = 0;
};

/// One read of the backend and the chunks it holds, for a blob_reader. Answer: run_read to `cache`.
struct read_run {
  caf::actor cache;
  planned_read run;
  bool is_prefetch = false;
};
struct run_read {
  caf::actor reader;
  bool is_prefetch = false;
  std::uint64_t bytes = 0; // read from the backend
  std::vector<settled_chunk> chunks;
};

} // namespace nydus
