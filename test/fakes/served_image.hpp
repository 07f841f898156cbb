// SPDX-License-Identifier: Apache-2.0
// The whole daemon in this process, with one tiny image at its root, for a fake_guest to connect to.
#pragma once

#include <memory>
#include <string>

#include "actors/daemon.hpp"
#include "test/fakes/tiny_image.hpp"

namespace nydus {

/// Two reactors, the image's blob in a directory, a blob cache of its own. Throws if any of it fails.
class served_image {
public:
  explicit served_image(const tiny_image& image);

  std::string vhost_socket() const { return place_.path() + "/vhost.sock"; }
  daemon& served() noexcept { return *daemon_; }

private:
  temporary_directory place_;
  std::unique_ptr<daemon> daemon_;
};

} // namespace nydus
