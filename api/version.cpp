// SPDX-License-Identifier: Apache-2.0
#include "api/version.hpp"

#include "build_version.hpp"

namespace nydus {

namespace {

/// "Nov 24 2026" and "01:02:03", as the compiler gives them, in ISO 8601.
std::string built_at() {
  const std::string date = __DATE__;
  const std::string months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const auto month = std::to_string(months.find(date.substr(0, 3)) / 3 + 1);
  auto day = date.substr(4, 2);
  if (day[0] == ' ')
    day[0] = '0';
  return date.substr(7) + "-" + (month.size() == 1 ? "0" + month : month) + "-" + day + "T" + __TIME__ + "Z";
}

} // namespace

const build_version& version() {
  static const build_version made{NYDUS_VERSION, NYDUS_GIT_COMMIT, built_at(),
#ifdef NDEBUG
                                  "release",
#else
                                  "debug",
#endif
                                  "g++ " __VERSION__};
  return made;
}

std::string version_text(const std::string& program) {
  const auto& made = version();
  return program + " \rVersion: \t" + made.package + "\nGit Commit: \t" + made.commit + "\nBuild Time: \t" +
         made.built_at + "\nProfile: \t" + made.profile + "\nRustc: \t\t" + made.compiler + "\n";
}

} // namespace nydus
