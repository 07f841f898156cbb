// SPDX-License-Identifier: Apache-2.0
// All that a configuration says of one mount, checked: v1, v2 and the oldest forms end here (contract section
// 2).
#pragma once

#include <cstdint>
#include <string>

#include "storage/backend_config.hpp"

namespace nydus {

/// Fetching ahead of any reader (fs_prefetch; cache.prefetch and rafs.prefetch).
struct prefetch_config {
  bool enabled = false;
  std::uint32_t threads = 8;          // requests under way at once, 1..1024
  std::uint32_t batch_size = 1 << 20; // bytes per request at most
  std::uint64_t bandwidth_limit = 0;  // bytes per second; 0: none
  bool everything = false;            // prefetch_all
  bool stream = false;                // stream_prefetch; kept for the API's answer

  bool operator==(const prefetch_config&) const = default;
};

/// Maps owners of the image to owners the kernel sees: [internal, internal + range) -> external.
struct id_mapping {
  std::uint32_t internal = 0;
  std::uint32_t external = 0;
  std::uint32_t range = 0; // 0: no mapping

  bool operator==(const id_mapping&) const = default;
};

/// What may wait at once (our own key `limits`). What is over a mount's limit waits as a bare request; what
/// is over a backend's waits in its queue, each blob in its turn.
struct wait_limits {
  std::uint32_t mount_reads = 64;         // reads of one mount that wait for chunks
  std::uint64_t mount_bytes = 32 << 20;   // bytes that those asked for
  std::uint32_t backend_requests = 8;     // reads of one backend under way; each has a thread
  std::uint64_t backend_bytes = 64 << 20; // bytes of those reads

  bool operator==(const wait_limits&) const = default;
};

struct mount_settings {
  std::string id; // device.id, cache metrics are also found under it
  backend_config backend;
  cache_config cache;
  std::string mode = "direct";        // or "cached"; both map the metadata
  std::uint32_t batch_size = 1 << 20; // amplify_io: bytes that one fetch may merge; 0: never merge
  bool digest_validate = false;       // check inode digests, recheck cached chunks
  bool enable_xattr = false;
  bool iostats_files = false;     // count per file
  bool access_pattern = false;    // note the first access of each file
  bool latest_read_files = false; // note which files were read since last asked
  prefetch_config cache_prefetch;
  prefetch_config rafs_prefetch;
  id_mapping owners;
  wait_limits limits;

  bool operator==(const mount_settings&) const = default;
};

} // namespace nydus
