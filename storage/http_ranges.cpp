// SPDX-License-Identifier: Apache-2.0
#include "storage/http_ranges.hpp"

#include <charconv>
#include <new>

#include "metadata/blob_id.hpp"

namespace nydus {

result<http_answer> http_ranges::get(const std::string& url, const blob_range& range,
                                     std::span<std::byte> sink, std::vector<std::string> headers,
                                     const request_signature& signature) {
  http_request request;
  request.url = url;
  request.headers = std::move(headers);
  request.headers.push_back("Range: bytes=" + std::to_string(range.offset) + "-" +
                            std::to_string(range.offset + range.size - 1));
  request.signature = signature;
  request.sink = sink;
  request.config = &config_;
  auto& connection = http_connection::of_this_thread();
  if (may_use_proxy()) {
    request.uses_proxy = true;
    if (config_.proxy.uses_http && url.starts_with("https://"))
      request.url = "http://" + url.substr(8);
    auto answer = connection.perform(request);
    if ((answer && answer->status < 500) || !config_.proxy.has_fallback)
      return answer;
    proxy_resumes_ = std::chrono::steady_clock::now() + std::chrono::seconds{config_.proxy.check_interval};
    request.uses_proxy = false;
    request.url = url;
  }
  return connection.perform(request);
}

range_attempt http_ranges::judge(const http_answer& answer, const std::string& url, const blob_range& range) {
  const auto why = [&](errc code, const std::string& cause) {
    return failure{code, "read " + std::to_string(range.size) + " bytes from " +
                             std::to_string(range.offset) + " of blob " + range.blob_id + " (" +
                             shown_url(url) + "): " + cause};
  };
  const auto header = [&](const char* name) {
    const auto found = answer.headers.find(name);
    return found == answer.headers.end() ? std::string{} : found->second;
  };
  const auto status = "status " + std::to_string(answer.status);
  if (answer.status == 206 || answer.status == 200) {
    const auto wanted =
        "bytes " + std::to_string(range.offset) + "-" + std::to_string(range.offset + range.size - 1) + "/";
    const bool is_range = answer.status == 206 ? header("content-range").starts_with(wanted)
                                               : range.offset == 0 && answer.size == range.size;
    if (!is_range)
      return range_attempt::final(
          why(errc::backend_down,
              status + ", another range: " +
                  (answer.status == 200 ? "the server knows none" : header("content-range"))));
    if (answer.size != range.size)
      return range_attempt::again(
          why(errc::backend_down, "it ended after " + std::to_string(answer.size) + " bytes"));
    return {};
  }
  if (answer.status == 404)
    return range_attempt::final(why(errc::not_found, status));
  if (answer.status == 401 || answer.status == 403)
    return range_attempt::final(
        why(errc::backend_down, status + "; are the configured credentials right for it?"));
  if (answer.status == 429 || answer.status >= 500) {
    std::uint32_t wait = 0; // a date in its place is not read
    const auto text = header("retry-after");
    std::from_chars(text.data(), text.data() + text.size(), wait);
    return range_attempt::again(why(errc::backend_down, status), wait);
  }
  return range_attempt::final(why(errc::backend_down, status));
}

result<owned_bytes>
http_ranges::read(const blob_range& range,
                  const std::function<range_attempt(std::span<std::byte>)>& try_once) const {
  if (!is_blob_id(range.blob_id) || range.blob_id.find_first_of("?#%& ") != std::string::npos)
    return failure{errc::malformed, "blob id '" + range.blob_id + "' is no digest"};
  if (range.size == 0)
    return owned_bytes{};
  std::optional<owned_bytes> bytes;
  try {
    bytes.emplace(static_cast<std::size_t>(range.size));
  } catch (const std::bad_alloc&) {
    return failure{errc::backend_down,
                   "no memory for " + std::to_string(range.size) + " bytes of blob " + range.blob_id};
  }
  for (unsigned tries = 0;; ++tries) {
    auto outcome = try_once(bytes->span());
    if (!outcome.why)
      return std::move(*bytes);
    if (outcome.is_final || !retries_.waits_after(tries, outcome.wait))
      return std::move(*outcome.why);
  }
}

} // namespace nydus
