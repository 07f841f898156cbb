// SPDX-License-Identifier: Apache-2.0
// Where the images made by other builders lie, for tests that read them.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace nydus {

/// The folder of fixtures, or empty (and a message why) where there is none: the test then has nothing to do.
inline std::string fixtures() {
  const char* folder = std::getenv("NYDUS_FIXTURES");
  if (folder != nullptr && std::filesystem::is_directory(folder))
    return folder;
  MESSAGE("skipped: NYDUS_FIXTURES names no folder of fixture images");
  return {};
}

} // namespace nydus
