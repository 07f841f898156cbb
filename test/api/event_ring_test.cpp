// SPDX-License-Identifier: Apache-2.0
#include "api/event_ring.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <thread>
#include <vector>

using nlohmann::json;
using nydus::event_ring;

TEST_SUITE_BEGIN("api/event_ring");

TEST_CASE("an empty ring looks as the public daemon's does") {
  CHECK(event_ring{}.to_json() ==
        R"({"max_errors":500,"total_errors":0,"max_size":51200,"total_size":0,"errors":[]})");
}

TEST_CASE("the newest events that fit are shown, oldest first") {
  event_ring ring;
  for (int i = 0; i < 1000; ++i)
    ring.record("event " + std::to_string(i));
  const auto shown = json::parse(ring.to_json());
  CHECK(shown["total_errors"] == 1000);
  REQUIRE(shown["errors"].size() == 500);
  const auto last = shown["errors"].back().get<std::string>();
  CHECK(last.substr(last.size() - 16) == " GMT - event 999");
  CHECK(shown["errors"][0].get<std::string>().find(" - event 500") != std::string::npos);
}

TEST_CASE("long and odd texts stay within the size") {
  event_ring ring;
  for (int i = 0; i < 100; ++i)
    ring.record(std::string(100000, '\xff'));
  const auto shown = json::parse(ring.to_json());
  CHECK(shown["total_size"] <= 51200);
  CHECK(shown["errors"].size() > 10);
}

TEST_CASE("many threads may record at once") {
  event_ring ring;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&ring] {
      for (int k = 0; k < 1000; ++k)
        ring.record("x");
    });
  for (auto& one : threads)
    one.join();
  CHECK(json::parse(ring.to_json())["total_errors"] == 4000);
}

TEST_SUITE_END();
