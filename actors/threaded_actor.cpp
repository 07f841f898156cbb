// SPDX-License-Identifier: Apache-2.0
#include "actors/threaded_actor.hpp"

#include <caf/detail/private_thread.hpp>

namespace nydus {

void threaded_actor::launch(caf::execution_unit* unit, bool lazy, bool hide) {
  try {
    lasting_actor::launch(unit, lazy, hide);
  } catch (const std::system_error&) {
    // What CAF has left to that thread: its record, a reference to the actor, and its place in a count.
    delete std::exchange(private_thread_, nullptr);
    unsetf(is_detached_flag);
    home_system().dec_detached_threads();
    intrusive_ptr_release(ctrl());
    throw;
  }
}

} // namespace nydus
