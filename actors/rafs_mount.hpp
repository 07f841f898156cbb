// SPDX-License-Identifier: Apache-2.0
// One actor per pseudo-mount of a RAFS image: byte ranges turned into extents, and who waits for which
// chunks. Neighbours: mount_router sends it requests; metadata_answers is what it knows without a blob;
// blob_cache fetches what is missing.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <memory>
#include <string>
#include <vector>

#include "actors/mount_counters.hpp"
#include "metadata/image.hpp"
#include "storage/blob_cache_files.hpp"
#include "storage/mount_settings.hpp"

namespace nydus {

/// One blob of the image: where present chunks lie, and whom to ask for the others.
struct mounted_blob {
  std::shared_ptr<const blob_cache_files> files; // null: nothing is kept
  caf::actor cache;
};

struct rafs_mount_parts {
  std::string mountpoint;
  std::uint32_t number = 0; // of the mount, in node ids
  bool is_root = false;     // mounted at "/": its root is node 1
  std::shared_ptr<const image> contents;
  std::shared_ptr<const mount_settings> settings;
  std::vector<mounted_blob> blobs; // as image::blobs()
  std::shared_ptr<mount_counters> counters;
  std::shared_ptr<cache_counters> cache_seen;
};

/// Ends the mount: every request it holds is answered EIO, once.
struct leave_mount {};

/// fs_request -> fs_reply to its port
/// chunks_ready (from blob_cache)
/// list_file_counters -> file_counter_list
/// leave_mount: the actor ends
/// Floats: it runs where its message comes from, and never blocks.
caf::actor spawn_rafs_mount(caf::actor_system& system, rafs_mount_parts parts);

} // namespace nydus
