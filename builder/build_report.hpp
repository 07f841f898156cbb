// SPDX-License-Identifier: Apache-2.0
// What a program that called nydus-image reads: the JSON of --output-json, and the closing lines of a build.
#pragma once

#include <string>
#include <vector>

#include "builder/build_settings.hpp"
#include "builder/image_builder.hpp"
#include "protocol/result.hpp"

namespace nydus::builder {

/// The fields of the public builder, by their names.
struct build_report {
  std::string bootstrap;
  std::vector<std::string> blobs;
  std::string compressor_name;
  const built_image* built = nullptr; // its figures; none after a check
};

std::string to_json(const build_report& report);

/// Writes the JSON to `path`, whole or not at all.
result<void> save_report(const build_report& report, const std::string& path);

/// Some lines for the user.
std::string summary(const built_image& built);

} // namespace nydus::builder
