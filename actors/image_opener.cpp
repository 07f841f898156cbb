// SPDX-License-Identifier: Apache-2.0
#include "actors/image_opener.hpp"

#include "actors/error_code.hpp"
#include "actors/message_types.hpp"
#include "actors/threaded_actor.hpp"

namespace nydus {

namespace {

result<opened_image> open(const mount_image& wanted) {
  opened_image opened;
  auto contents = open_image(wanted.source);
  if (!contents)
    return contents.error();
  opened.contents = std::move(*contents);
  if (opened.contents->blobs().empty())
    return opened; // no data: no backend is needed
  auto backend = make_blob_backend(wanted.settings->backend);
  if (!backend)
    return backend.error();
  opened.backend = std::move(*backend);
  for (const auto& source : opened.contents->blobs()) {
    if (wanted.settings->cache.kind == cache_config::placement::none) {
      opened.files.push_back(nullptr);
      continue;
    }
    auto files = blob_cache_files::open(wanted.settings->cache, source);
    if (!files)
      return files.error();
    opened.files.push_back(std::move(*files));
  }
  return opened;
}

class image_opener : public threaded_actor {
public:
  explicit image_opener(caf::actor_config& config) : threaded_actor(config, "image_opener", "") {}

  caf::behavior make_behavior() override {
    return {[](const open_mount& asked) -> caf::result<opened_image> {
      auto opened = open(asked.wanted);
      if (!opened)
        return to_error(opened.error());
      return std::move(*opened);
    }};
  }
};

} // namespace

result<caf::actor> spawn_image_opener(caf::actor_system& system) {
  return spawn_threaded<image_opener>(system);
}

} // namespace nydus
