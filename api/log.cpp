// SPDX-License-Identifier: Apache-2.0
#include "api/log.hpp"

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <filesystem>

#include "actors/log_line.hpp"

namespace nydus {

namespace {

constexpr std::size_t queued_lines = 8192;
constexpr std::size_t longest_line = 16 << 10; // readers of our stderr stop at lines of 64 KiB
constexpr std::size_t kept_files = 10;

void write_line(log_level level, std::string_view line) {
  auto to = spdlog::level::info;
  switch (level) {
  case log_level::debug:
    to = spdlog::level::debug;
    break;
  case log_level::info:
    break;
  case log_level::warning:
    to = spdlog::level::warn;
    break;
  case log_level::error:
    to = spdlog::level::err;
    break;
  }
  spdlog::log(to, "{}", line.substr(0, longest_line));
}

spdlog::sink_ptr make_sink(const log_options& options) {
  if (options.file.empty())
    return std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  std::filesystem::path path{options.file};
  if (!path.has_extension())
    path += ".log";
  if (options.rotation_megabytes != 0)
    return std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
        path.string(), options.rotation_megabytes << 20, kept_files);
  return std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string());
}

} // namespace

result<void> start_log(const log_options& options) {
  try {
    spdlog::init_thread_pool(queued_lines, 1);
    auto logger = std::make_shared<spdlog::async_logger>("nydusd", make_sink(options), spdlog::thread_pool(),
                                                         spdlog::async_overflow_policy::overrun_oldest);
    logger->set_pattern("[%Y-%m-%d %H:%M:%S.%f +00:00] %^%l%$ %v", spdlog::pattern_time_type::utc);
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
  } catch (const spdlog::spdlog_ex& why) {
    return failure{errc::unavailable, std::string{"log: "} + why.what()};
  }
  (void) set_log_level(options.level);
  set_log_writer(write_line);
  return {};
}

bool set_log_level(const std::string& level) {
  const auto known = level == "warning" ? "warn" : level;
  for (const auto* one : {"off", "error", "warn", "info", "debug", "trace"})
    if (known == one) {
      spdlog::set_level(spdlog::level::from_str(known));
      return true;
    }
  return false;
}

void stop_log() {
  spdlog::shutdown();
}

} // namespace nydus
