// SPDX-License-Identifier: Apache-2.0
// Ranges of files by HTTP, for all backends behind a network: by a proxy or past it, what an answer means,
// and when to try again. Neighbours: http_connection sends the requests; the backends know the URLs and who
// may read them.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/blob_backend.hpp"
#include "storage/http_connection.hpp"
#include "storage/retry_policy.hpp"

namespace nydus {

/// One try at a range: its bytes are in the sink, or why not, and whether another try may help.
struct range_attempt {
  std::optional<failure> why;
  bool is_final = false;
  std::uint32_t wait = 0; // seconds that the server wants to be left alone

  static range_attempt final(failure cause) { return {std::move(cause), true, 0}; }
  static range_attempt again(failure cause, std::uint32_t wait = 0) {
    return {std::move(cause), false, wait};
  }
};

/// Threads: all members may be called from any thread, several at once.
class http_ranges {
public:
  explicit http_ranges(const http_config& config) : config_(config), retries_(config.retry_limit) {}

  /// One request: by the proxy if there is one, and past it if that fails and the configuration lets it.
  /// `headers`: beside the range's. Blocks.
  result<http_answer> get(const std::string& url, const blob_range& range, std::span<std::byte> sink,
                          std::vector<std::string> headers, const request_signature& signature = {});
  /// What an answer that is no redirect means.
  static range_attempt judge(const http_answer& answer, const std::string& url, const blob_range& range);
  /// Tries until it has the bytes, another try is of no use, or there were enough. malformed for an id that
  /// could change a URL. Blocks.
  result<owned_bytes> read(const blob_range& range,
                           const std::function<range_attempt(std::span<std::byte>)>& try_once) const;

private:
  bool may_use_proxy() const noexcept {
    return !config_.proxy.url.empty() && std::chrono::steady_clock::now() >= proxy_resumes_.load();
  }

  const http_config config_;
  std::atomic<std::chrono::steady_clock::time_point> proxy_resumes_{};
  retry_policy retries_;
};

} // namespace nydus
