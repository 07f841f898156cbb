// SPDX-License-Identifier: Apache-2.0
// What an image and one that builds on it have to agree in.
#pragma once

#include <cstdint>
#include <string>

#include "builder/build_settings.hpp"
#include "protocol/result.hpp"

namespace nydus::builder {

struct parent_settings {
  std::uint32_t format_version;
  std::uint32_t chunk_size;
  compressor compression;
  digester digests;
  bool is_repeatable;
};

/// not_supported, naming the option, if the image at `path` was built otherwise than this one is asked to be.
result<void> check_parent(const std::string& path, const build_settings& settings,
                          const parent_settings& parent);

} // namespace nydus::builder
