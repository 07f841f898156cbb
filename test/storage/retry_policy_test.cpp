// SPDX-License-Identifier: Apache-2.0
#include "storage/retry_policy.hpp"

#include <doctest/doctest.h>

using namespace nydus;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("storage/retry_policy");

TEST_CASE("pauses grow to two seconds, and readers part") {
  const retry_policy policy{0};
  auto shortest = 0ms;
  for (unsigned tries = 0; tries < 40; ++tries) {
    const auto least = policy.pause_after(tries, 0, 0);
    const auto most = policy.pause_after(tries, 0, 99'999);
    CHECK(least >= shortest);
    CHECK(least < most);
    CHECK(most <= 2s);
    shortest = least;
  }
}

TEST_CASE("a server's wish is heard, but not for ever") {
  const retry_policy policy{0};
  CHECK(policy.pause_after(0, 3, 0) == 3s);
  CHECK(policy.pause_after(0, 100'000, 0) == 10s);
}

TEST_CASE("there are three further tries, or as many as configured") {
  CHECK(!retry_policy{0}.waits_after(3, 0));
  CHECK(!retry_policy{1}.waits_after(1, 0));
  CHECK(retry_policy{1}.waits_after(0, 0));
}
