// SPDX-License-Identifier: Apache-2.0
// libmicrohttpd and the requests that it holds: whoever owns the thread calls turn() when a descriptor is
// ready. Neighbours: http_server makes it and runs it on a reactor.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "api/http_inbox.hpp"
#include "api/http_messages.hpp"
#include "protocol/unique_fd.hpp"

struct MHD_Daemon;

namespace nydus {

struct http_exchange;

/// Threads: one at a time. The handler is called by turn().
class http_loop {
public:
  /// Null if the library does not start. `listening`: a socket.
  static std::unique_ptr<http_loop> start(unique_fd listening, http_handler handle);
  http_loop(const http_loop&) = delete;
  http_loop& operator=(const http_loop&) = delete;
  /// Ends all connections, answered or not.
  ~http_loop();

  /// Readable when the library has something to do.
  int library_fd() const noexcept;
  /// Readable when an answer has come.
  int answer_fd() const noexcept { return inbox_->wake_fd(); }

  /// Does what there is to do and waits for nothing. True if there is more.
  bool turn();

  /// From now on nobody new comes in, and who waits or asks is answered 503, by the turns that follow:
  /// answer_fd() calls for the first.
  void close();
  /// Whether a request waits for its answer or for its answer to be sent.
  bool is_waited_for() const noexcept { return !open_.empty(); }

private:
  friend struct http_callbacks; // what the library calls

  http_loop() = default;
  void take(http_exchange& asked);
  void deliver(std::uint64_t number, http_answer answer);

  http_handler handle_;
  MHD_Daemon* library_ = nullptr;
  std::shared_ptr<http_inbox> inbox_ = std::make_shared<http_inbox>();
  std::unordered_map<std::uint64_t, http_exchange*> open_; // handed over and not completed
  std::uint64_t last_number_ = 0;
};

} // namespace nydus
