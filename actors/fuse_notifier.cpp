// SPDX-License-Identifier: Apache-2.0
#include "actors/fuse_notifier.hpp"

#include <caf/event_based_actor.hpp>

#include "actors/message_types.hpp"
#include "protocol/fuse/device.hpp"

namespace nydus {

caf::actor spawn_fuse_notifier(caf::actor_system& system, int fd) {
  return system.spawn<caf::detached>([fd](caf::event_based_actor*) -> caf::behavior {
    return {
        [fd](const drop_cache& stale) {
          // What the kernel does not know it does not forget: failures change nothing.
          for (const auto& entry : stale.change.gone)
            (void) fuse::notify_entry_gone(fd, entry.parent, entry.name);
          for (const auto directory : stale.change.changed)
            (void) fuse::notify_inode_changed(fd, directory);
          return cache_dropped{};
        },
    };
  });
}

} // namespace nydus
