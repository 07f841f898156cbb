// SPDX-License-Identifier: Apache-2.0
// What this binary is called: the same words for --version and the API (contract 1.8).
#pragma once

#include <string>

namespace nydus {

struct build_version {
  std::string package;
  std::string commit;
  std::string built_at; // ISO 8601, UTC
  std::string profile;
  std::string compiler; // stands in the field that the public daemon calls rustc
};

const build_version& version();

/// The text of `program --version`.
std::string version_text(const std::string& program);

} // namespace nydus
