// SPDX-License-Identifier: Apache-2.0
// Brings cache file bytes into memory for a port, which may not wait for a disk.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <vector>

#include "actors/fs_request.hpp"

namespace nydus {

/// Gathers `extents` in one buffer on the worker pool and sends `port` an fs_reply for `slot` with it, or
/// EIO.
void read_pages(caf::actor_system& system, const caf::actor& port, std::uint32_t slot,
                std::vector<extent> extents);

} // namespace nydus
