// SPDX-License-Identifier: Apache-2.0
// Log lines to a descriptor whose reader may have stopped reading: they are dropped, never waited for, so
// that the daemon also ends when nobody reads its stderr. Neighbour: log.cpp.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <cerrno>

namespace nydus {

/// Threads: the log's own thread alone.
class stderr_sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
public:
  explicit stderr_sink(int descriptor = STDERR_FILENO) : descriptor_(descriptor) {}

private:
  static constexpr std::size_t piece_size = 4096; // PIPE_BUF: a pipe that polls as writable takes that much
  static constexpr int patience_ms = 100;         // for a reader that is merely slow

  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    std::size_t written = 0;
    while (written < line.size()) {
      // One that let us wait once gets no second chance until it reads again.
      pollfd waited{descriptor_, POLLOUT, 0};
      const bool is_ready =
          ::poll(&waited, 1, is_stuck_ ? 0 : patience_ms) == 1 && (waited.revents & POLLOUT) != 0;
      is_stuck_ = !is_ready;
      if (!is_ready)
        return;
      const auto some =
          ::write(descriptor_, line.data() + written, std::min(piece_size, line.size() - written));
      if (some < 0 && errno != EINTR && errno != EAGAIN)
        return;
      written += some > 0 ? static_cast<std::size_t>(some) : 0;
    }
  }
  void flush_() override {}

  int descriptor_;
  bool is_stuck_ = false;
};

} // namespace nydus
