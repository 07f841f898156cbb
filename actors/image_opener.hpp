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

/// Opens one image after the other in a thread of its own. A dead file system holds it for ever, so whoever
/// has several images to open takes several of these. unavailable if there is no thread for it.
result<caf::actor> spawn_image_opener(caf::actor_system& system);

} // namespace nydus
