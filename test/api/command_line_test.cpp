// SPDX-License-Identifier: Apache-2.0
#include "api/command_line.hpp"

#include <doctest/doctest.h>

#include <iostream>
#include <sstream>

#include "api/version.hpp"

using namespace nydus;

namespace {

struct outcome {
  command_line line;
  std::string out;
  std::string err;
};

/// Parses "nydusd" and `words`, with what it prints caught.
outcome parse(std::vector<const char*> words) {
  words.insert(words.begin(), "nydusd");
  std::ostringstream out, err;
  auto* const out_before = std::cout.rdbuf(out.rdbuf());
  auto* const err_before = std::cerr.rdbuf(err.rdbuf());
  auto line = parse_command_line(static_cast<int>(words.size()), words.data());
  std::cout.rdbuf(out_before);
  std::cerr.rdbuf(err_before);
  return {std::move(line), out.str(), err.str()};
}

daemon_options options(std::vector<const char*> words) {
  auto parsed = parse(std::move(words));
  REQUIRE_MESSAGE(parsed.line.options, parsed.err);
  return *parsed.line.options;
}

} // namespace

TEST_SUITE_BEGIN("api/command_line");

TEST_CASE("what clients start is understood, with and without the subcommand") {
  SUBCASE("snapshotter") {
    const auto given = options({"fuse",
                                "--thread-num",
                                "10",
                                "--upgrade",
                                "--id",
                                "d1",
                                "--config",
                                "/c",
                                "--bootstrap",
                                "/b",
                                "--mountpoint",
                                "/m",
                                "--apisock",
                                "/a",
                                "--log-level",
                                "info",
                                "--log-rotation-size",
                                "100",
                                "--supervisor",
                                "/s",
                                "--log-file",
                                "/l/nydusd.log",
                                "--prefetch-files",
                                "/p",
                                "--backend-source",
                                "u",
                                "--failover-policy",
                                "resend"});
    CHECK(given.fuse_threads == 10);
    CHECK(given.id == "d1");
    CHECK(given.config == "/c");
    CHECK(given.bootstrap == "/b");
    CHECK(given.mountpoint == "/m");
    CHECK(given.apisock == "/a");
    CHECK(given.supervisor == "/s");
    CHECK(given.log_file == "/l/nydusd.log");
    CHECK(given.log_rotation_megabytes == 100);
    CHECK(given.prefetch_files == std::vector<std::string>{"/p"});
  }
  SUBCASE("smoke suite") {
    const auto given =
        options({"--mountpoint", "/m", "--apisock", "/a", "--log-level", "error", "--thread-num", "10",
                 "--config", "/c", "--bootstrap", "/b", "--dedup-db", "/d", "--writable"});
    CHECK(given.log_level == "error");
    CHECK(given.fuse_threads == 10);
  }
  SUBCASE("options before the subcommand") {
    const auto given =
        options({"-l", "DEBUG", "-A", "/a", "fuse", "-M", "/m", "-D", "/d", "--metadata", "/b", "-m", "/v"});
    CHECK(given.log_level == "debug");
    CHECK(given.apisock == "/a");
    CHECK(given.localfs_dir == "/d");
    CHECK(given.bootstrap == "/b");
    CHECK(given.virtual_mountpoint == "/v");
  }
  SUBCASE("several prefetch files") {
    const auto given = options({"-M", "/m", "-B", "/b", "-C", "/c", "--prefetch-files", "/x", "/y", "--id",
                                "i", "--supervisor", "/s"});
    CHECK(given.prefetch_files == std::vector<std::string>{"/x", "/y"});
  }
}

TEST_CASE("defaults are those that clients know") {
  const auto given = options({"-M", "/m"});
  CHECK(given.virtual_mountpoint == "/");
  CHECK(given.fuse_threads == 4);
  CHECK(given.rlimit_nofile == 1000000);
  CHECK(given.log_level == "info");
  CHECK(given.log_rotation_megabytes == 0);
}

TEST_CASE("the limit of open files is also read as it was written in 2020") {
  CHECK(options({"-M", "/m", "--rlimit-nofile", "0"}).rlimit_nofile == 0);
  CHECK(options({"-M", "/m", "--rlimit-nofile", "1,000,000"}).rlimit_nofile == 1000000);
  CHECK(options({"-M", "/m", "--rlimit-nofile", "4096"}).rlimit_nofile == 4096);
  CHECK(options({"-M", "/m", "--rlimit-nofile", "many"}).rlimit_nofile == 1000000);
}

TEST_CASE("a virtual machine is served with the subcommand or without it") {
  for (const auto& words : std::vector<std::vector<const char*>>{
           {"virtiofs", "--hybrid-mode", "--log-level", "info", "--apisock", "/a", "--sock", "/s"}, // Kata
           {"virtiofs", "--sock", "/s", "--apisock", "/a", "--thread-num", "2"},
           {"--config", "/c", "--metadata", "/b", "--sock", "/s", "--apisock", "/a"},
           {"--config", "/c", "--sock", "/s", "--apisock", "/a"}}) {
    const auto given = options(words);
    CHECK(given.sock == "/s");
    CHECK(given.apisock == "/a");
    CHECK(given.mountpoint.empty());
  }
}

TEST_CASE("a wrong line is a usage error that says why") {
  const std::vector<std::pair<std::vector<const char*>, const char*>> wrong{
      {{}, "--mountpoint"},
      {{"-M", "/m", "--no-such"}, "--no-such"},
      {{"-M", "/m", "-l", "loud"}, "log-level"},
      {{"-M", "/m", "--thread-num", "0"}, "thread"},
      {{"-M", "/m", "--thread-num", "1025"}, "thread"},
      {{"-M", "/m", "-B", "/b", "-D", "/d", "-C", "/c"}, "--localfs-dir"},
      {{"-M", "/m", "--supervisor", "/s"}, "--id"},
      {{"-M", "/m", "--prefetch-files", "/p"}, "--bootstrap"},
      {{"virtiofs", "--apisock", "/a"}, "virtiofs needs --sock"},
      {{"fuse", "--apisock", "/a"}, "fuse needs --mountpoint"},
      {{"-M", "/m", "--sock", "/s"}, "exclude each other"},
      {{"virtiofs", "-M", "/m", "--sock", "/s"}, "exclude each other"},
      {{"-M", "/m", "--shared-dir", "/s"}, "this build has no passthrough"},
      {{"singleton", "--fscache", "/f"}, "this build has no singleton"},
      {{"uffd", "--sock", "/s"}, "this build has no uffd"},
      {{"nbd", "/dev/nbd0"}, "this build has no nbd"},
  };
  for (const auto& one : wrong) {
    const auto parsed = parse(one.first);
    const auto& part = one.second;
    CAPTURE(part);
    CHECK_FALSE(parsed.line.options);
    CHECK(parsed.line.exit_status == 2);
    CHECK_MESSAGE(parsed.err.find(part) != std::string::npos, parsed.err);
    CHECK(parsed.out.empty());
  }
}

TEST_CASE("version and help end well, and the commit is the API's") {
  for (const auto* flag : {"--version", "-V"}) {
    const auto parsed = parse({flag});
    CHECK_FALSE(parsed.line.options);
    CHECK(parsed.line.exit_status == 0);
    CHECK(parsed.out.rfind("nydusd \rVersion: \t", 0) == 0);
    CHECK(parsed.out.find("\nGit Commit: \t" + version().commit + "\n") != std::string::npos);
    CHECK(parsed.out.find("\nBuild Time: \t") != std::string::npos);
  }
  const auto help = parse({"--help"});
  CHECK(help.line.exit_status == 0);
  for (const auto* name : {"--mountpoint",
                           "--bootstrap",
                           "--metadata",
                           "--config",
                           "--localfs-dir",
                           "--apisock",
                           "--virtual-mountpoint",
                           "--fuse-threads",
                           "--thread-num",
                           "--rlimit-nofile",
                           "--prefetch-files",
                           "--log-level",
                           "--log-file",
                           "--log-rotation-size",
                           "--id",
                           "--supervisor",
                           "--version",
                           "fuse",
                           "virtiofs",
                           "--sock"})
    CHECK_MESSAGE(help.out.find(name) != std::string::npos, name);
  CHECK(parse({"fuse", "--help"}).line.exit_status == 0);
}

TEST_SUITE_END();
