// SPDX-License-Identifier: Apache-2.0
// /api/v1/mount, its present form and that of 2020: request -> what the supervisor is to do, or the refusal
// (contract 3.3 and 3.5). Pure but for a configuration file that the oldest form may name.
#pragma once

#include <variant>

#include "actors/mount_messages.hpp"
#include "api/http_messages.hpp"
#include "protocol/result.hpp"

namespace nydus {

using mount_order = std::variant<http_answer, mount_image, remount_image, unmount_image>;

/// `fallback`: the daemon's own configuration, or why there is none; the oldest form may leave its own out.
mount_order read_mount_order(const http_request& request, const result<mount_settings>& fallback);

} // namespace nydus
