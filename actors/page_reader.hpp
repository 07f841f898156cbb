// SPDX-License-Identifier: Apache-2.0
// Brings cache file bytes into memory for a port, which may not wait for a disk.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "actors/fs_request.hpp"

namespace nydus {

/// Threads for the disks that cache files lie on, some for each: one that hangs holds no other. They are made
/// when they are needed first, and stay. Threads: the port's own.
class page_readers {
public:
  page_readers(caf::actor_system& system, std::string port_name);

  /// Gathers the extents of `reply` in one buffer and sends `port` the reply again, with that buffer or with
  /// EIO.
  void read(const caf::actor& port, fs_reply reply);

  /// Ends them, but for those that hang. What they have to read is not answered any more.
  void end();

private:
  struct reader {
    caf::actor actor;
    std::shared_ptr<std::atomic<std::uint32_t>> under_way; // reads
  };

  /// Null if there is none and the process gets no more threads.
  reader* least_busy(std::uint64_t disk);

  caf::actor_system& system_;
  std::string port_name_;
  std::map<std::uint64_t, std::vector<reader>> readers_; // by disk
};

} // namespace nydus
