// SPDX-License-Identifier: Apache-2.0
#include "api/mount_collection.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

using namespace nydus;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("api/mount_collection");

namespace {

std::shared_ptr<const mount_record> record(std::uint32_t number, std::string mountpoint,
                                           std::chrono::seconds mounted_at) {
  auto made = std::make_shared<mount_record>();
  made->number = number;
  made->mountpoint = std::move(mountpoint);
  made->mounted_at = std::chrono::system_clock::time_point{mounted_at};
  made->settings = std::make_shared<mount_settings>();
  return made;
}

} // namespace

TEST_CASE(
    "each mount is shown by its mountpoint, whatever bytes that has, and no mount is shown for another") {
  mount_collection collection;
  CHECK(collection.text({}) == "{}");
  const auto a = record(1, "/a", 1s), b = record(2, "/\"b\"\n", 2s);
  const auto both = collection.text({{a, b}});
  const auto shown = nlohmann::json::parse(both);
  CHECK(shown.size() == 2);
  CHECK(shown["/a"]["mountpoint"] == "/a");
  CHECK(shown["/a"]["mounted_time"] == "1970-01-01 00:00:01.000000000 +00:00:00");
  CHECK(shown["/\"b\"\n"]["config"]["version"] == 2);
  CHECK(collection.text({{a, b}}) == both);
  // The number is used again, by a mount elsewhere and by one in the same place.
  CHECK(nlohmann::json::parse(collection.text({{record(1, "/c", 3s), b}})).contains("/c"));
  const auto again = nlohmann::json::parse(collection.text({{record(1, "/c", 4s)}}));
  CHECK(again.size() == 1);
  CHECK(again["/c"]["mounted_time"] == "1970-01-01 00:00:04.000000000 +00:00:00");
}
