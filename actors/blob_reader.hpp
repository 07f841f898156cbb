// SPDX-License-Identifier: Apache-2.0
// A thread that reads runs of blobs from their backend, decodes, checks and stores their chunks. Neighbours:
// blob_fetcher gives it runs, one at a time; the cache that asked gets what came of it.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <memory>
#include <string>

#include "actors/chunk_messages.hpp"
#include "actors/reactor.hpp"

namespace nydus {

struct read_run {
  std::shared_ptr<const fetch_run> work;
  reactor* home = nullptr; // where the answer is to be handled; null: on the worker pool
};

/// What a cache is told of a run that nobody could read.
run_read failed_run(const fetch_run& work, errc why);

/// read_run -> run_read to its cache, and reader_idle to `fetcher`
/// Runs in a thread of its own (it may block as long as the backend does) and ends when told to. unavailable
/// if there is no thread for it.
result<caf::actor> spawn_blob_reader(caf::actor_system& system, caf::actor fetcher,
                                     const std::string& backend);

} // namespace nydus
