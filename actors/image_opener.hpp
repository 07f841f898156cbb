// SPDX-License-Identifier: Apache-2.0
// Opens an image and the cache files of its blobs: file work that neither a reactor nor the supervisor may
// wait for.
#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <memory>
#include <string>
#include <vector>

#include "actors/mount_messages.hpp"
#include "storage/blob_backend.hpp"
#include "storage/blob_cache_files.hpp"

namespace nydus {

/// Answer: opened_image, or the failure.
struct open_mount {
  mount_image wanted;
};
struct opened_image {
  std::shared_ptr<const image> contents;
  std::shared_ptr<blob_backend> backend;
  std::vector<std::shared_ptr<blob_cache_files>> files; // as image::blobs(); null entries: nothing is kept
};

/// Runs in a thread of its own, so that a dead file system holds no other mount, and ends after its one
/// answer. `mountpoint`: for whom, as the census shows it. unavailable if there is no thread for it.
result<caf::actor> spawn_image_opener(caf::actor_system& system, const std::string& mountpoint);

} // namespace nydus
