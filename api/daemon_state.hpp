// SPDX-License-Identifier: Apache-2.0
// The states that clients poll (contract 3.6), and what each event makes of them. Pure.
#pragma once

#include <cstdint>

#include "protocol/result.hpp"

namespace nydus {

enum class daemon_state : std::uint8_t { init, ready, running, stopped };
enum class daemon_event : std::uint8_t { mount, start, stop, exit };

/// The state after `event`; wrong_state with the words of the public daemon if it may not happen in `now`.
result<daemon_state> next_state(daemon_state now, daemon_event event);

/// As the API spells it.
const char* to_string(daemon_state state) noexcept;

} // namespace nydus
