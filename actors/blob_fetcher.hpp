// SPDX-License-Identifier: Apache-2.0
// All reads of one backend: how many are under way at once, in which order, and the threads that do them.
// A backend that hangs holds its own readers and nothing else. Neighbours: blob_caches ask, blob_readers
// work.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "actors/chunk_messages.hpp"
#include "storage/mount_settings.hpp"

namespace nydus {

/// What a backend has to do now. Written by its fetcher, read by anyone.
struct fetcher_counters {
  std::string name; // "localfs /var/lib/blobs"
  std::uint32_t request_limit = 0;
  std::uint64_t byte_limit = 0;
  std::atomic<std::uint64_t> requests_under_way{0};
  std::atomic<std::uint64_t> bytes_under_way{0};
  std::atomic<std::uint64_t> requests_queued{0};
  std::atomic<std::uint64_t> prefetch_queued{0};
  std::atomic<std::uint64_t> readers{0};          // threads, idle ones included
  std::atomic<std::uint64_t> oldest_under_way{0}; // when the oldest read began, nanoseconds; 0: none
};

struct blob_fetcher_parts {
  std::string name;
  wait_limits limits; // of backends
  std::shared_ptr<fetcher_counters> seen;
};

/// A reader has nothing to do any more.
struct reader_idle {
  caf::actor reader;
};

/// fetch_run -> run_read to its cache, from a reader
/// hurry_run, drop_runs, reader_idle
/// Whoever waits goes before prefetch; within each, blobs take turns. Idle readers end after some seconds.
/// Ends on an exit message; readers that hang end with their read.
caf::actor spawn_blob_fetcher(caf::actor_system& system, blob_fetcher_parts parts);

} // namespace nydus
