// SPDX-License-Identifier: Apache-2.0
// The trace as Chrome trace JSON, which Perfetto and chrome://tracing open. Pure: events in, text out.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "actors/mount_messages.hpp"
#include "actors/trace_event.hpp"

namespace nydus {

/// Each request is a group of nested spans ("b" and "e" events of one id): the whole of it and its steps.
/// `under_way` has no end yet. `mountpoints`: by mount number, for names. Times are microseconds.
std::string trace_text(const std::vector<trace_event>& events, const inflight_list& under_way,
                       const std::map<std::uint32_t, std::string>& mountpoints);

} // namespace nydus
