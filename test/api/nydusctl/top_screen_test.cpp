// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/top_screen.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "api/nydusctl/quantity_text.hpp"

using namespace nydus::ctl;

namespace {

daemon_look look_at(double at, const std::string& samples) {
  daemon_look look;
  look.at = at;
  look.samples = metric_samples{samples};
  running_mount idle, busy;
  idle.mountpoint = "/idle";
  busy.mountpoint = "/busy";
  busy.waiting_reads = 3;
  busy.waiting_reads_limit = 64;
  busy.chunks = 4;
  busy.chunks_present = 1;
  look.seen.mounts = {idle, busy};
  running_actor actor;
  actor.kind = "rafs_mount";
  actor.messages = static_cast<std::uint64_t>(at * 100);
  look.seen.actors = {actor, actor};
  return look;
}

const auto before = look_at(1, "nydus_mount_reads_total{mountpoint=\"/busy\"} 100\n"
                               "nydus_mount_read_seconds_total{mountpoint=\"/busy\"} 1\n");
const auto now = look_at(3, "# HELP x\nnydus_mount_reads_total{mountpoint=\"/busy\"} 300\n"
                            "nydus_mount_read_seconds_total{mountpoint=\"/busy\"} 1.2\n"
                            "nydus_mount_read_bytes_total{mountpoint=\"/busy\"} 4096\n");

std::size_t line_of(const std::vector<std::string>& lines, const std::string& start) {
  const auto found = std::find_if(lines.begin(), lines.end(),
                                  [&](const std::string& line) { return line.rfind(start, 0) == 0; });
  return static_cast<std::size_t>(found - lines.begin());
}

} // namespace

TEST_SUITE_BEGIN("api/nydusctl/top_screen");

TEST_CASE("rates are those between two looks, the busiest mount stands first") {
  const auto lines = top_screen(before, now, 100);
  const auto busy = line_of(lines, "/busy");
  REQUIRE(busy < lines.size());
  CHECK(busy < line_of(lines, "/idle"));
  CHECK(lines[busy].find(" 100 ") != std::string::npos);   // 200 reads in 2 s
  CHECK(lines[busy].find("2.0 KiB") != std::string::npos); // 4096 bytes in 2 s
  CHECK(lines[busy].find("1.0 ms") != std::string::npos);  // 0.2 s for 200 reads
  CHECK(lines[busy].find("3 of 64") != std::string::npos);
  CHECK(lines[busy].find("25 %") != std::string::npos);
  const auto kind = line_of(lines, "rafs_mount");
  REQUIRE(kind < lines.size());
  CHECK(lines[kind].find(" 200 ") != std::string::npos); // two actors, 200 messages each in 2 s
}

TEST_CASE("a screen fits its height, with a thousand mounts too") {
  auto many = now;
  many.seen.mounts.resize(1000, many.seen.mounts[0]);
  for (const std::size_t height : {1, 10, 24, 60})
    CHECK(top_screen(before, many, height).size() <= height);
  const auto lines = top_screen(before, many, 60);
  CHECK(line_of(lines, "... and ") < lines.size());
}

TEST_CASE("quantities have units") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(1536) == "1.5 KiB");
  CHECK(time_text(999) == "999 us");
  CHECK(time_text(2'500'000) == "2.5 s");
  CHECK(rate_text(0) == "0");
  CHECK(rate_text(12'345) == "12.3k");
  CHECK(table_text({{"A", "B"}, {"long", "7"}}) == "A     B\nlong  7\n");
}

TEST_SUITE_END();
