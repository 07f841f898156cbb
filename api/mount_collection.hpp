// SPDX-License-Identifier: Apache-2.0
// backend_collection of GET /api/v1/daemon, which shows the settings of every mount. A mount's part never
// changes and takes 40 us to make, so it is made once: there may be thousands. Neighbours: api_front asks.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "actors/mount_messages.hpp"

namespace nydus {

/// Threads: its owner's alone.
class mount_collection {
public:
  /// JSON of all of `mounts`; what is kept of others is dropped.
  std::string text(const mount_list& mounts);

private:
  struct member {
    std::chrono::system_clock::time_point mounted_at; // numbers of mounts are used again
    std::string text;
  };
  std::unordered_map<std::uint32_t, member> members_; // by the mount's number
};

} // namespace nydus
