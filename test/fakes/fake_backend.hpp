// SPDX-License-Identifier: Apache-2.0
// A backend that holds, fails, breaks or counts reads, as a test tells it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "storage/blob_backend.hpp"

namespace nydus {

class fake_backend final : public blob_backend {
public:
  explicit fake_backend(std::vector<std::byte> contents) : contents_(std::move(contents)) {}

  void read(const blob_range& range, read_done done) override {
    ++reads;
    while (is_held)
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    if (is_throwing)
      throw std::runtime_error{"the test says so"};
    if (is_failing)
      return done(failure{errc::backend_down, "the test says so"});
    owned_bytes bytes{range.size};
    std::copy_n(contents_.begin() + static_cast<std::ptrdiff_t>(range.offset), range.size,
                bytes.span().begin());
    done(std::move(bytes));
  }

  std::atomic<int> reads{0};
  std::atomic<bool> is_held{false};
  std::atomic<bool> is_failing{false};
  std::atomic<bool> is_throwing{false}; // which no backend may do

private:
  std::vector<std::byte> contents_;
};

} // namespace nydus
