// SPDX-License-Identifier: Apache-2.0
#include "storage/blob_backend.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "storage/directory_backend.hpp"
#include "storage/object_store_backend.hpp"
#include "storage/registry_backend.hpp"

namespace nydus {

result<std::shared_ptr<blob_backend>> make_blob_backend(const backend_config& config) {
  if (config.kind == "localfs")
    return make_directory_backend(config.localfs);
  if (config.kind == "registry")
    return make_registry_backend(config.registry);
  if (config.kind == "oss")
    return make_oss_backend(config.objects);
  if (config.kind == "s3")
    return make_s3_backend(config.objects);
  if (config.kind.empty())
    return failure{errc::malformed, "the configuration names no backend, and the image has data"};
  static constexpr std::array<std::string_view, 2> known{"localdisk", "http-proxy"};
  if (std::find(known.begin(), known.end(), config.kind) != known.end())
    return failure{errc::not_supported,
                   "this build has no " + config.kind + " backend; it has: localfs, registry, oss, s3"};
  return failure{errc::malformed, "backend type '" + config.kind +
                                      "' is none that is known; this build has: localfs, registry, oss, s3"};
}

} // namespace nydus
