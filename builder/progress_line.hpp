// SPDX-License-Identifier: Apache-2.0
// One line on stderr that says how far a long build is; rewritten in place, gone at the end.
#pragma once

#include <chrono>
#include <cstdint>

namespace nydus::builder {

class progress_line {
public:
  /// `total`: bytes to come. Shows nothing if not `is_shown`.
  progress_line(std::uint64_t total, bool is_shown) : total_(total), is_shown_(is_shown) {}
  ~progress_line();
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  /// Cheap; the line changes a few times per second at most.
  void show(std::uint64_t done);

private:
  using clock = std::chrono::steady_clock;
  std::uint64_t total_;
  bool is_shown_;
  bool is_dirty_ = false;
  clock::time_point start_ = clock::now();
  clock::time_point last_ = start_;
};

} // namespace nydus::builder
