// SPDX-License-Identifier: Apache-2.0
// A thread that reads runs of one blob from its backend, decodes, checks and stores their chunks. A backend
// that hangs holds readers of its own blobs alone. Neighbours: blob_cache sends it runs, one at a time.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <memory>

#include "actors/blob_cache.hpp"

namespace nydus {

/// read_run -> run_read to its cache
/// Runs in a thread of its own (it may block as long as the backend does) and ends when told to.
caf::actor spawn_blob_reader(caf::actor_system& system, std::shared_ptr<const blob_cache_parts> parts);

} // namespace nydus
