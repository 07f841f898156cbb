// SPDX-License-Identifier: Apache-2.0
#include "storage/blob_backend.hpp"

#include "storage/directory_backend.hpp"

namespace nydus {

result<std::shared_ptr<blob_backend>> make_blob_backend(const backend_config& config) {
  if (config.kind == "localfs")
    return make_directory_backend(config.localfs);
  return failure{errc::not_supported, "this build has no " + config.kind + " backend; it has: localfs"};
}

} // namespace nydus
