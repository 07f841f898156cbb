// SPDX-License-Identifier: Apache-2.0
#include "actors/log_line.hpp"

#include <atomic>

namespace nydus {

namespace {
std::atomic<log_writer> current_writer{nullptr};
} // namespace

void log_line(log_level level, std::string_view line, source_line where) noexcept {
  if (auto* const writer = current_writer.load(std::memory_order_acquire))
    writer(level, line, where);
}

void set_log_writer(log_writer writer) noexcept {
  current_writer.store(writer, std::memory_order_release);
}

} // namespace nydus
