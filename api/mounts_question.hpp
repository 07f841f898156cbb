// SPDX-License-Identifier: Apache-2.0
// What most answers of the API begin with: all mounts that there are now. Neighbours: api_front and its
// endpoints ask, actors/mount_supervisor answers.
#pragma once

#include <caf/event_based_actor.hpp>

#include <memory>
#include <string>

#include "actors/error_code.hpp"
#include "actors/message_types.hpp"
#include "actors/route_table.hpp"
#include "api/refusal.hpp"

namespace nydus {

using responder = std::shared_ptr<http_responder>;

/// "/a/b" for "a//b/": how the supervisor calls it. What is no mountpoint names none.
inline std::string supervisors_name(const std::string& mountpoint) {
  auto path = normalize_mountpoint(mountpoint);
  return path ? *std::move(path) : std::string{};
}

/// Has `front` ask and calls `use` with the mount_list; if there is none, answers 500 itself.
template <class Use>
void with_mounts(caf::event_based_actor& front, const caf::actor& supervisor, const responder& to, Use use) {
  front.request(supervisor, caf::infinite, list_mounts{}).then(use, [to](const caf::error& why) {
    to->answer(refusal(500, to_failure(why).detail));
  });
}

} // namespace nydus
