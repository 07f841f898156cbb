// SPDX-License-Identifier: Apache-2.0
#include "test/fakes/served_image.hpp"

#include <stdexcept>

#include "storage/mount_settings.hpp"

namespace nydus {

served_image::served_image(const tiny_image& image) {
  const auto files = write_tiny_image(image, place_.path() + "/image");
  auto settings = std::make_shared<mount_settings>();
  settings->backend.localfs.directory = files.blob_directory;
  settings->cache.kind = cache_config::placement::files;
  settings->cache.work_directory = place_.path() + "/cache";
  mount_image wanted;
  wanted.mountpoint = "/";
  wanted.source = files.bootstrap;
  wanted.settings = std::move(settings);
  auto started = daemon::start({.reactor_count = 2});
  if (!started)
    throw std::runtime_error(started.error().detail);
  daemon_ = std::move(*started);
  if (auto mounted = daemon_->mount(wanted); !mounted)
    throw std::runtime_error(mounted.error().detail);
  if (auto serving = daemon_->serve_virtiofs(vhost_socket()); !serving)
    throw std::runtime_error(serving.error().detail);
}

} // namespace nydus
