// SPDX-License-Identifier: Apache-2.0
// Brings cache file bytes into memory for a port, which may not wait for a disk.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include "actors/fs_request.hpp"

namespace nydus {

/// Gathers the extents of `reply` in one buffer on the worker pool and sends `port` the reply again, with
/// that buffer or with EIO.
void read_pages(caf::actor_system& system, const caf::actor& port, fs_reply reply);

} // namespace nydus
