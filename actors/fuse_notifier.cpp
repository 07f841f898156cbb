// SPDX-License-Identifier: Apache-2.0
#include "actors/fuse_notifier.hpp"

#include "actors/lasting_actor.hpp"
#include "actors/message_types.hpp"
#include "protocol/fuse/device.hpp"

namespace nydus {

namespace {

class fuse_notifier : public lasting_actor {
public:
  fuse_notifier(caf::actor_config& config, int fd) : lasting_actor(config, "fuse_notifier", ""), fd_(fd) {}

  caf::behavior make_behavior() override {
    return {[this](const forget_names& stale) {
      // What the kernel does not know it does not forget: failures change nothing.
      for (const auto& entry : stale.gone)
        (void) fuse::notify_entry_gone(fd_, entry.parent, entry.name);
      return names_forgotten{};
    }};
  }

private:
  int fd_; // borrowed
};

} // namespace

caf::actor spawn_fuse_notifier(caf::actor_system& system, int fd) {
  return system.spawn<fuse_notifier, caf::detached>(fd);
}

} // namespace nydus
