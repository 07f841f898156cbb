// SPDX-License-Identifier: Apache-2.0
#include "builder/parent_settings.hpp"

namespace nydus::builder {

result<void> check_parent(const std::string& path, const build_settings& settings,
                          const parent_settings& parent) {
  const auto differs = [&](const std::string& option, const std::string& theirs, const std::string& ours) {
    return failure{errc::not_supported, path + " was built with --" + option + " " + theirs +
                                            " and this image with " + ours + ": both have to agree"};
  };
  if (parent.format_version != settings.format_version)
    return differs("fs-version", std::to_string(parent.format_version),
                   std::to_string(settings.format_version));
  if (parent.chunk_size != settings.chunk_size)
    return differs("chunk-size", std::to_string(parent.chunk_size), std::to_string(settings.chunk_size));
  if (parent.compression != settings.compression)
    return differs("compressor", to_string(parent.compression), to_string(settings.compression));
  if (parent.digests != settings.digests)
    return differs("digester", to_string(parent.digests), to_string(settings.digests));
  if (parent.is_repeatable != settings.is_repeatable)
    return failure{errc::not_supported, path + " was built " + (parent.is_repeatable ? "with" : "without") +
                                            " --repeatable: this image has to be too"};
  return {};
}

} // namespace nydus::builder
