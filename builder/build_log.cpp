// SPDX-License-Identifier: Apache-2.0
#include "builder/build_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "builder/readable_text.hpp"

namespace nydus::builder {

namespace {

int descriptor = STDERR_FILENO; // lives as long as the program
log_level highest_level = log_level::info;

void write_line(log_level level, const char* word, const std::string& text) {
  if (level > highest_level)
    return;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  std::array<char, 32> seconds{};
  std::strftime(seconds.data(), seconds.size(), "%Y-%m-%d %H:%M:%S", &parts);
  auto fraction = std::to_string(1'000'000 + now.tv_nsec / 1000);
  fraction[0] = '.';
  const auto line =
      std::string{"["} + seconds.data() + fraction + " +00:00] " + word + " " + readable(text) + "\n";
  if (::write(descriptor, line.data(), line.size()) < 0)
    return; // nobody is left to tell
}

} // namespace

result<void> start_log(log_level highest, const std::string& file) {
  highest_level = highest;
  if (file.empty())
    return {};
  const int opened = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (opened < 0)
    return system_failure("open the log file " + file, errno);
  descriptor = opened;
  return {};
}

void log_error(const std::string& text) {
  write_line(log_level::error, "ERROR", text);
}
void log_warning(const std::string& text) {
  write_line(log_level::warn, "WARN", text);
}
void log_info(const std::string& text) {
  write_line(log_level::info, "INFO", text);
}

} // namespace nydus::builder
