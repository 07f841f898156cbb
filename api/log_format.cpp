// SPDX-License-Identifier: Apache-2.0
#include "api/log_format.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string_view>

namespace nydus {

namespace {

struct level_look {
  std::string_view name;
  std::string_view colour;
};

level_look look_of(spdlog::level::level_enum level) {
  switch (level) {
  case spdlog::level::trace:
    return {"TRACE", "\033[36m"};
  case spdlog::level::debug:
    return {"DEBUG", "\033[34m"};
  case spdlog::level::warn:
    return {"WARN", "\033[33m"};
  case spdlog::level::err:
  case spdlog::level::critical:
    return {"ERROR", "\033[31m"};
  default:
    return {"INFO", "\033[32m"};
  }
}

void append(spdlog::memory_buf_t& line, std::string_view text) {
  line.append(text.data(), text.data() + text.size());
}

void append_time(spdlog::memory_buf_t& line, spdlog::log_clock::time_point when) {
  const auto since = when.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(since - seconds).count();
  const std::time_t clock = seconds.count();
  std::tm parts{};
  ::gmtime_r(&clock, &parts);
  std::array<char, 48> text{};
  const auto size = std::strftime(text.data(), text.size(), "[%Y-%m-%d %H:%M:%S", &parts);
  append(line, {text.data(), size});
  const auto rest = std::snprintf(text.data(), text.size(), ".%06d +00:00] ", static_cast<int>(micros));
  append(line, {text.data(), static_cast<std::size_t>(rest)});
}

void append_escaped(spdlog::memory_buf_t& line, std::string_view text) {
  for (const char c : text) {
    if (line.size() >= longest_log_line - 8)
      return append(line, "...");
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      line.push_back(c);
      continue;
    }
    std::array<char, 8> escape{};
    const auto size = std::snprintf(escape.data(), escape.size(), "\\x%02x", static_cast<unsigned>(c));
    append(line, c == '\n' ? "\\n" : std::string_view{escape.data(), static_cast<std::size_t>(size)});
  }
}

} // namespace

void log_format::format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) {
  const auto look = look_of(message.level);
  append_time(line, message.time);
  append(line, in_colour_ ? look.colour : "");
  append(line, look.name);
  append(line, in_colour_ ? "\033[0m" : "");
  if (look.name != "INFO" && !message.source.empty()) {
    const std::string_view file{message.source.filename};
    append(line, " [");
    append(line, file.starts_with("../") ? file.substr(3) : file);
    append(line, ":");
    append(line, std::to_string(message.source.line));
    append(line, "]");
  }
  append(line, " ");
  append_escaped(line, {message.payload.data(), message.payload.size()});
  append(line, "\n");
}

std::unique_ptr<spdlog::formatter> log_format::clone() const {
  return std::make_unique<log_format>(in_colour_);
}

} // namespace nydus
