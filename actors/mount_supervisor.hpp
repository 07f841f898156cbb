// SPDX-License-Identifier: Apache-2.0
// Owns the set of mounts: adds, replaces and removes them, and tells routers and kernel of each change before
// it answers.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <vector>

#include "actors/mount_messages.hpp"

namespace nydus {

class reactor;

/// A /dev/fuse session has begun: the kernel's caches have to follow changes from now on.
struct know_kernel {
  int fd = -1;         // of the session; outlives the supervisor
  caf::actor notifier; // fuse_notifier
};

/// mount_image, remount_image, unmount_image -> mount_changed
/// list_mounts -> mount_list; list_backends -> backend_list
/// list_file_counters -> file_counter_list (from the mount)
/// know_kernel
/// Runs on `control`, a reactor without ports, so that the API answers whatever the worker pool waits for.
/// Ends on an exit message, and ends all mounts with it.
caf::actor spawn_mount_supervisor(caf::actor_system& system, reactor& control,
                                  std::vector<caf::actor> routers);

} // namespace nydus
