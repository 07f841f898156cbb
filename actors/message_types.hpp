// SPDX-License-Identifier: Apache-2.0
// Registers every message struct with CAF. "Unsafe" is CAF's word for types that cannot leave the process: ours never do.
#pragma once

#include <caf/allowed_unsafe_message_type.hpp>

#include "actors/mount_messages.hpp"

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::mount_image)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::remount_image)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::unmount_image)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::mount_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::list_mounts)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::mount_list)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::list_file_counters)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::file_counter_list)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::list_inflight)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::inflight_list)
