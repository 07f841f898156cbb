// SPDX-License-Identifier: Apache-2.0
#include "api/log.hpp"

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "actors/log_line.hpp"
#include "api/event_ring.hpp"
#include "api/log_format.hpp"
#include "api/stderr_sink.hpp"

namespace nydus {

namespace {

constexpr std::size_t queued_lines = 1024; // each takes some 400 bytes from the start
constexpr std::size_t kept_files = 10;

void write_line(log_level level, std::string_view line, source_line where) {
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
    daemon_events().record(line);
    break;
  }
  spdlog::log({where.file, where.line, ""}, to,
              spdlog::string_view_t{line.data(), std::min(line.size(), longest_log_line)});
}

spdlog::sink_ptr make_sink(const log_options& options) {
  if (options.file.empty())
    return std::make_shared<stderr_sink>();
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
    logger->set_formatter(std::make_unique<log_format>(options.file.empty() && ::isatty(STDERR_FILENO) == 1));
    logger->flush_on(spdlog::level::trace);
    logger->set_error_handler([](const std::string&) {}); // a full disk: the line is lost, not the daemon
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
