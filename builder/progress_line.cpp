// SPDX-License-Identifier: Apache-2.0
#include "builder/progress_line.hpp"

#include <cstdio>

namespace nydus::builder {

namespace {
constexpr std::chrono::milliseconds interval{250};
constexpr double mebibyte = 1 << 20;
} // namespace

void progress_line::show(std::uint64_t done) {
  if (!is_shown_)
    return;
  const auto now = clock::now();
  if (now - last_ < interval)
    return;
  last_ = now;
  is_dirty_ = true;
  const auto seconds = std::chrono::duration<double>(now - start_).count();
  const auto done_size = static_cast<double>(done) / mebibyte;
  std::fprintf(stderr, "\r\033[K%.0f of %.0f MiB, %.0f MiB/s", done_size,
               static_cast<double>(total_) / mebibyte, done_size / seconds);
}

progress_line::~progress_line() {
  if (is_dirty_)
    std::fputs("\r\033[K", stderr);
}

} // namespace nydus::builder
