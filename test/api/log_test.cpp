// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <spdlog/details/log_msg.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "actors/log_line.hpp"
#include "api/log.hpp"
#include "api/log_format.hpp"
#include "api/stderr_sink.hpp"

using namespace nydus;
using namespace std::chrono_literals;

namespace {

std::string formatted(spdlog::level::level_enum level, const std::string& text) {
  spdlog::memory_buf_t line;
  log_format{false}.format({spdlog::source_loc{"../actors/x.cpp", 12, "f"}, "nydusd", level, text}, line);
  return {line.data(), line.size()};
}

} // namespace

TEST_SUITE_BEGIN("api/log");

TEST_CASE("a line has time, level, place and text") {
  const std::string time = R"(\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \+00:00\] )";
  CHECK(std::regex_match(formatted(spdlog::level::info, "here"), std::regex{time + "INFO here\n"}));
  CHECK(std::regex_match(formatted(spdlog::level::err, "here"),
                         std::regex{time + R"(ERROR \[actors/x\.cpp:12\] here\n)"}));
  CHECK(std::regex_match(formatted(spdlog::level::warn, "here"),
                         std::regex{time + R"(WARN \[actors/x\.cpp:12\] here\n)"}));
}

TEST_CASE("an event is one line of less than 64 KiB, whatever it holds") {
  auto line = formatted(spdlog::level::info, "a\nb\rc\x1b[31m");
  CHECK(line.find('\n') == line.size() - 1);
  CHECK(line.find('\x1b') == std::string::npos);
  CHECK(line.find("a\\nb") != std::string::npos);
  line = formatted(spdlog::level::info, std::string(1 << 20, 'x'));
  CHECK(line.size() <= longest_log_line);
  line = formatted(spdlog::level::info, std::string(1 << 20, '\x01'));
  CHECK(line.size() <= longest_log_line);
}

TEST_CASE("nobody waits for a reader of stderr that has stopped") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  stderr_sink sink{ends[1]};
  const auto began = std::chrono::steady_clock::now();
  const std::string text(3000, 'x');
  for (int i = 0; i < 200; ++i)
    sink.log({"nydusd", spdlog::level::info, text});
  CHECK(std::chrono::steady_clock::now() - began < 2s);
  std::array<char, 65536> bytes{};
  CHECK(::read(ends[0], bytes.data(), bytes.size()) > 3000);
  sink.log({"nydusd", spdlog::level::info, "after"}); // it reads again
  const auto size = ::read(ends[0], bytes.data(), bytes.size());
  REQUIRE(size > 0);
  CHECK(std::string(bytes.data(), static_cast<std::size_t>(size)).find("after") != std::string::npos);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a log file gets its ending, its level and its rotation") {
  std::string folder = "/tmp/nydus-log-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  REQUIRE(start_log({"warn", folder + "/nydusd", 1}));
  log_line(log_level::info, "hidden");
  log_line(log_level::warning, "shown");
  CHECK(set_log_level("info"));
  CHECK_FALSE(set_log_level("loud"));
  for (int i = 0; i < 600; ++i) {
    log_line(log_level::info, std::string(4000, 'x'));
    if (i % 100 == 0)
      ::usleep(20000); // the queue drops the oldest otherwise
  }
  stop_log();
  CHECK(std::filesystem::exists(folder + "/nydusd.log"));
  CHECK(std::filesystem::exists(folder + "/nydusd.1.log"));
  std::stringstream text;
  for (const auto& one : std::filesystem::directory_iterator{folder})
    text << std::ifstream{one.path()}.rdbuf();
  CHECK(text.str().find("hidden") == std::string::npos);
  CHECK(text.str().find("shown") != std::string::npos);
  CHECK(text.str().find("log_test.cpp:") != std::string::npos);
  std::filesystem::remove_all(folder);
  CHECK_FALSE(start_log({"info", "/proc/no/such/folder/log", 0}));
}

TEST_SUITE_END();
