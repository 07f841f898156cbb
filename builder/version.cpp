// SPDX-License-Identifier: Apache-2.0
#include "builder/version.hpp"

#include "builder_version.hpp"

namespace nydus::builder {

std::string version() {
  return std::string{NYDUS_VERSION} + "-" + NYDUS_GIT_COMMIT;
}

std::string version_text() {
  return std::string{"nydus-image \rVersion: \t"} + NYDUS_VERSION + "\nGit Commit: \t" + NYDUS_GIT_COMMIT +
         "\nProfile: \t" +
#ifdef NDEBUG
         "release"
#else
         "debug"
#endif
         "\nCompiler: \tg++ " __VERSION__;
}

} // namespace nydus::builder
