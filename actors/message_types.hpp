// SPDX-License-Identifier: Apache-2.0
// Registers every message struct with CAF. "Unsafe" is CAF's word for types that cannot leave the process:
// ours never do.
#pragma once

#include <caf/allowed_unsafe_message_type.hpp>

#include "actors/actor_census.hpp"
#include "actors/blob_fetcher.hpp"
#include "actors/blob_reader.hpp"
#include "actors/chunk_messages.hpp"
#include "actors/fs_request.hpp"
#include "actors/fuse_notifier.hpp"
#include "actors/fuse_port.hpp"
#include "actors/image_opener.hpp"
#include "actors/mount_messages.hpp"
#include "actors/mount_router.hpp"
#include "actors/mount_supervisor.hpp"
#include "actors/rafs_mount.hpp"
#include "actors/vhost_user_session.hpp"
#include "actors/virtqueue_port.hpp"

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::mount_image)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::remount_image)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::unmount_image)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::mount_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::listen_again)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::list_mounts)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::mount_list)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::list_file_counters)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::file_counter_list)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::list_inflight)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::inflight_list)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::list_slowest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::slow_request_list)

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::fs_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::fs_reply)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::interrupt_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::leave_mount)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::need_chunks)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::chunks_ready)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::prefetch_chunks)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::prefetched)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::fetch_run)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::hurry_run)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::drop_runs)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::read_run)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::reader_idle)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::run_read)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::change_route)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::take_route)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::route_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::know_siblings)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::close_port)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::port_closed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::forget_names)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::names_forgotten)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::open_mount)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::opened_image)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::know_kernel)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::list_backends)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::backend_list)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::count_actor)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::list_actors)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::actor_list)

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::settle_terms)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::take_terms)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::terms_taken)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::take_memory)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::memory_taken)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::take_call)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::announce_answers)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::stop_queue)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::queue_stopped)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::abandon_queue)
