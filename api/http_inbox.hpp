// SPDX-License-Identifier: Apache-2.0
// Answers on their way from any thread to the one that owns the HTTP library. No lock: a stack that writers
// push onto and the reader takes whole, and an eventfd that wakes it.
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "api/http_messages.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus {

class http_inbox {
public:
  struct note {
    std::uint64_t exchange = 0; // whose answer it is; numbers are never reused
    http_answer answer;
    std::unique_ptr<note> next;
  };

  http_inbox() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  http_inbox(const http_inbox&) = delete;
  http_inbox& operator=(const http_inbox&) = delete;
  ~http_inbox() { (void) take(); }

  /// Readable when there is something to take.
  int wake_fd() const noexcept { return wake_.get(); }

  /// From any thread.
  void push(std::uint64_t exchange, http_answer answer) {
    auto* added = new note{exchange, std::move(answer), nullptr};
    auto* below = newest_.load(std::memory_order_relaxed);
    do {
      (void) added->next.release();
      added->next.reset(below);
    } while (
        !newest_.compare_exchange_weak(below, added, std::memory_order_release, std::memory_order_relaxed));
    wake();
  }

  /// Makes the reader look. From any thread.
  void wake() noexcept {
    const std::uint64_t one = 1;
    (void) !::write(wake_.get(), &one, sizeof one);
  }

  /// All that was pushed, newest first. By the reader.
  std::unique_ptr<note> take() noexcept {
    std::uint64_t count = 0;
    (void) !::read(wake_.get(), &count, sizeof count);
    return std::unique_ptr<note>{newest_.exchange(nullptr, std::memory_order_acquire)};
  }

private:
  std::atomic<note*> newest_{nullptr};
  unique_fd wake_;
};

} // namespace nydus
