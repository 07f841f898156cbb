// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "builder/chunk_workers.hpp"

using namespace nydus::builder;

TEST_SUITE_BEGIN("builder/chunk_workers");

TEST_CASE("workers end whenever they are asked to, also on their way to sleep") {
  build_settings settings;
  settings.thread_count = 8;
  // A worker that misses the call sleeps for ever, and the destructor with it.
  for (int round = 0; round < 300; ++round)
    chunk_workers{settings, -1};
}
