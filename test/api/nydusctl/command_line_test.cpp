// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/command_line.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace nydus::ctl;

namespace {

command_line parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "nydusctl");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

template <class Command>
Command chosen(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), {"--sock", "/s"});
  const auto parsed = parse(std::move(arguments));
  REQUIRE(parsed.chosen);
  CHECK(parsed.chosen->socket == "/s");
  REQUIRE(std::holds_alternative<Command>(parsed.chosen->what));
  return std::get<Command>(parsed.chosen->what);
}

} // namespace

TEST_SUITE_BEGIN("api/nydusctl/command_line");

TEST_CASE("the public tool's commands are understood") {
  (void) chosen<show_daemon>({"info"});
  CHECK(chosen<set_log_level>({"set", "log-level", "debug"}).level == "debug");
  CHECK(chosen<show_metrics>({"metrics", "fsstats"}).what == show_metrics::category::fsstats);
  CHECK(chosen<show_metrics>({"metrics", "cache"}).what == show_metrics::category::cache);
  const auto backend = chosen<show_metrics>({"metrics", "backend", "-I", "3"});
  CHECK(backend.what == show_metrics::category::backend);
  CHECK(backend.interval == 3);
  const auto mount =
      chosen<mount_source>({"mount", "-s", "/boot", "-c", "/c.json", "-m", "/a", "-t", "rafs"});
  CHECK(mount.source == "/boot");
  CHECK(mount.config == "/c.json");
  CHECK(mount.mountpoint == "/a");
  CHECK(mount.type == "rafs");
  CHECK(chosen<unmount>({"umount", "-m", "/a"}).mountpoint == "/a");
}

TEST_CASE("our commands are understood") {
  (void) chosen<show_actors>({"actors"});
  const auto trace = chosen<show_trace>({"trace", "--slowest", "5", "--mount", "/a", "-o", "/t.json"});
  CHECK(trace.slowest == 5);
  CHECK(trace.mount == "/a");
  CHECK(trace.output == "/t.json");
  CHECK(chosen<show_top>({"top", "--once"}).is_once);
  CHECK_FALSE(chosen<show_top>({"top"}).is_once);
  CHECK(chosen<serve_page>({"page", "--listen", "127.0.0.1:0"}).listen == "127.0.0.1:0");
}

TEST_CASE("--raw and --sock may stand before and behind the command") {
  for (const auto& arguments : std::vector<std::vector<const char*>>{
           {"-S", "/s", "-r", "info"}, {"info", "-r", "-S", "/s"}, {"-r", "info", "--sock", "/s"}}) {
    const auto parsed = parse(arguments);
    REQUIRE(parsed.chosen);
    CHECK(parsed.chosen->is_raw);
    CHECK(parsed.chosen->socket == "/s");
  }
}

TEST_CASE("wrong usage ends with 2, help and version with 0") {
  for (const auto& arguments : std::vector<std::vector<const char*>>{
           {},
           {"info"},
           {"-S", "/s"},
           {"-S", "/s", "nothing"},
           {"-S", "/s", "set", "colour", "red"},
           {"-S", "/s", "set", "log-level"},
           {"-S", "/s", "metrics", "weather"},
           {"-S", "/s", "metrics", "backend", "-I", "0"},
           {"-S", "/s", "mount", "-s", "/b"},
           {"-S", "/s", "mount", "-s", "/b", "-c", "/c", "-m", "/a", "-t", "ext4"},
           {"-S", "/s", "umount"},
           {"-S", "/s", "page"}}) {
    const auto parsed = parse(arguments);
    CHECK_FALSE(parsed.chosen);
    CHECK(parsed.exit_status == 2);
  }
  for (const auto& arguments :
       std::vector<std::vector<const char*>>{{"--help"}, {"-V"}, {"mount", "--help"}, {"top", "-h"}}) {
    const auto parsed = parse(arguments);
    CHECK_FALSE(parsed.chosen);
    CHECK(parsed.exit_status == 0);
  }
}

TEST_SUITE_END();
