// SPDX-License-Identifier: Apache-2.0
#include "storage/registry_backend.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <map>
#include <new>
#include <optional>

#include "metadata/blob_id.hpp"
#include "storage/http_connection.hpp"
#include "storage/registry_authorization.hpp"
#include "storage/retry_policy.hpp"

namespace nydus {

namespace {

using places = std::map<std::string, std::string>; // blob id -> URL that the registry redirected to

/// One try at a range: its bytes are in the sink, or why not, and whether another try may help.
struct attempt {
  std::optional<failure> why;
  bool is_final = false;
  std::uint32_t wait = 0; // seconds that the server wants to be left alone
};

attempt gave_up(failure why) {
  return {std::move(why), true, 0};
}

attempt try_again(failure why, std::uint32_t wait = 0) {
  return {std::move(why), false, wait};
}

class registry_backend final : public blob_backend {
public:
  explicit registry_backend(const registry_config& config)
      : config_(config), authorization_(config), places_(std::make_shared<const places>()),
        retries_(config.http.retry_limit) {}

  void read(const blob_range& range, read_done done) override { done(read_now(range)); }
  void set_auth(const std::string& auth) override {
    authorization_.set_auth(auth);
    places_ = std::make_shared<const places>();
  }

private:
  result<owned_bytes> read_now(const blob_range& range);
  attempt try_read(const blob_range& range, std::span<std::byte> sink);
  attempt read_at(const std::string& url, const blob_range& range, std::span<std::byte> sink);
  attempt judge(const http_answer& answer, const std::string& url, const blob_range& range) const;

  result<http_answer> ask_registry(const blob_range& range, std::span<std::byte> sink);
  result<http_answer> get(const std::string& url, const blob_range& range, std::span<std::byte> sink,
                          const std::string& authorization);
  std::string blob_url(const std::string& blob_id) const;
  result<std::string> redirected(const std::string& from, const std::string& location) const;

  std::optional<std::string> known_place(const std::string& blob_id) const;
  void remember_place(const std::string& blob_id, const std::string& url);
  void forget_place(const std::string& blob_id, const std::string& url);
  bool may_use_proxy() const noexcept {
    return !config_.http.proxy.url.empty() && std::chrono::steady_clock::now() >= proxy_resumes_.load();
  }

  const registry_config config_;
  registry_authorization authorization_;
  std::atomic<std::shared_ptr<const places>> places_;
  std::atomic<bool> speaks_http_{false}; // what was configured as https does not speak TLS
  std::atomic<std::chrono::steady_clock::time_point> proxy_resumes_{};
  retry_policy retries_;
};

std::string registry_backend::blob_url(const std::string& blob_id) const {
  const auto* scheme = speaks_http_.load() || config_.scheme == "http" ? "http" : "https";
  return std::string{scheme} + "://" + config_.host + "/v2/" + config_.repo + "/blobs/sha256:" + blob_id;
}

/// Where a Location header leads, as the configuration wants it reached.
result<std::string> registry_backend::redirected(const std::string& from, const std::string& location) const {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> url{::curl_url(), &::curl_url_cleanup};
  const auto set = [&](CURLUPart part, const std::string& value) {
    return value.empty() || ::curl_url_set(url.get(), part, value.c_str(), CURLU_URLENCODE) == CURLUE_OK;
  };
  char* whole = nullptr;
  const auto host = config_.blob_redirected_host;
  const auto colon = host.rfind(':');
  if (url == nullptr || ::curl_url_set(url.get(), CURLUPART_URL, from.c_str(), 0) != CURLUE_OK ||
      ::curl_url_set(url.get(), CURLUPART_URL, location.c_str(), 0) != CURLUE_OK ||
      !set(CURLUPART_SCHEME, config_.blob_url_scheme) || !set(CURLUPART_HOST, host.substr(0, colon)) ||
      !set(CURLUPART_PORT, colon == std::string::npos ? "" : host.substr(colon + 1)) ||
      ::curl_url_get(url.get(), CURLUPART_URL, &whole, 0) != CURLUE_OK)
    return failure{errc::backend_down, shown_url(from) + " redirects to what is no URL"};
  std::string target{whole};
  ::curl_free(whole);
  return target;
}

std::optional<std::string> registry_backend::known_place(const std::string& blob_id) const {
  const auto now = places_.load();
  const auto found = now->find(blob_id);
  return found == now->end() ? std::nullopt : std::optional{found->second};
}

void registry_backend::remember_place(const std::string& blob_id, const std::string& url) {
  auto before = places_.load();
  std::shared_ptr<const places> after;
  do {
    auto changed = std::make_shared<places>(*before);
    (*changed)[blob_id] = url;
    after = std::move(changed);
  } while (!places_.compare_exchange_weak(before, after));
}

void registry_backend::forget_place(const std::string& blob_id, const std::string& url) {
  auto before = places_.load();
  std::shared_ptr<const places> after;
  do {
    const auto found = before->find(blob_id);
    if (found == before->end() || found->second != url)
      return;
    auto changed = std::make_shared<places>(*before);
    changed->erase(blob_id);
    after = std::move(changed);
  } while (!places_.compare_exchange_weak(before, after));
}

/// One request: by the proxy if there is one, and past it if that fails and the configuration lets it.
result<http_answer> registry_backend::get(const std::string& url, const blob_range& range,
                                          std::span<std::byte> sink, const std::string& authorization) {
  http_request request;
  request.url = url;
  request.headers = {"Range: bytes=" + std::to_string(range.offset) + "-" +
                     std::to_string(range.offset + range.size - 1)};
  if (!authorization.empty())
    request.headers.push_back("Authorization: " + authorization);
  request.sink = sink;
  request.config = &config_.http;
  auto& connection = http_connection::of_this_thread();
  if (may_use_proxy()) {
    request.uses_proxy = true;
    if (config_.http.proxy.uses_http && url.starts_with("https://"))
      request.url = "http://" + url.substr(8);
    auto answer = connection.perform(request);
    if ((answer && answer->status < 500) || !config_.http.proxy.has_fallback)
      return answer;
    proxy_resumes_ =
        std::chrono::steady_clock::now() + std::chrono::seconds{config_.http.proxy.check_interval};
    request.uses_proxy = false;
    request.url = url;
  }
  return connection.perform(request);
}

/// Asks the registry itself, with a new authorization if it wants one, once.
result<http_answer> registry_backend::ask_registry(const blob_range& range, std::span<std::byte> sink) {
  const auto used = authorization_.current();
  const auto value = [&] {
    return std::chrono::steady_clock::now() < used->good_until ? used->value : std::string{};
  };
  auto answer = get(blob_url(range.blob_id), range, sink, value());
  if (!answer && http_connection::of_this_thread().is_tls_failure() && config_.http.skips_verify &&
      config_.scheme != "http") {
    speaks_http_ = true;
    answer = get(blob_url(range.blob_id), range, sink, value());
  }
  if (!answer || answer->status != 401)
    return answer;
  const auto challenge = parse_challenge(answer->headers["www-authenticate"]);
  if (!challenge)
    return failure{errc::backend_down,
                   blob_url(range.blob_id) + ": status 401, without a challenge that is known"};
  auto renewed = authorization_.renew(*challenge, used);
  if (!renewed)
    return std::move(renewed).error();
  return get(blob_url(range.blob_id), range, sink, (*renewed)->value);
}

/// What an answer that is no redirect means.
attempt registry_backend::judge(const http_answer& answer, const std::string& url,
                                const blob_range& range) const {
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
      return gave_up(why(errc::backend_down,
                         status + ", another range: " +
                             (answer.status == 200 ? "the server knows none" : header("content-range"))));
    if (answer.size != range.size)
      return try_again(why(errc::backend_down, "it ended after " + std::to_string(answer.size) + " bytes"));
    return {};
  }
  if (answer.status == 404)
    return gave_up(why(errc::not_found, status));
  if (answer.status == 401 || answer.status == 403)
    return gave_up(why(errc::backend_down, status + "; is the configured auth right for this repository?"));
  if (answer.status == 429 || answer.status >= 500) {
    std::uint32_t wait = 0; // a date in its place is not read
    const auto text = header("retry-after");
    std::from_chars(text.data(), text.data() + text.size(), wait);
    return try_again(why(errc::backend_down, status), wait);
  }
  return gave_up(why(errc::backend_down, status));
}

/// Reads at a place that the registry redirected to: without authorization, which is not for others.
attempt registry_backend::read_at(const std::string& url, const blob_range& range,
                                  std::span<std::byte> sink) {
  const auto answer = get(url, range, sink, {});
  if (!answer) {
    forget_place(range.blob_id, url);
    return try_again(answer.error());
  }
  auto outcome = judge(*answer, url, range);
  if (outcome.why) {
    forget_place(range.blob_id, url);
    outcome.is_final = outcome.is_final && answer->status / 100 != 4; // the link may have run out
  }
  return outcome;
}

attempt registry_backend::try_read(const blob_range& range, std::span<std::byte> sink) {
  if (const auto place = known_place(range.blob_id))
    if (auto outcome = read_at(*place, range, sink); !outcome.why || outcome.is_final)
      return outcome;
  const auto answer = ask_registry(range, sink);
  if (!answer)
    return try_again(answer.error());
  const auto url = blob_url(range.blob_id);
  if (answer->status / 100 != 3)
    return judge(*answer, url, range);
  const auto location = answer->headers.find("location");
  if (location == answer->headers.end())
    return gave_up(
        {errc::backend_down, url + ": status " + std::to_string(answer->status) + " without a place"});
  const auto place = redirected(url, location->second);
  if (!place)
    return gave_up(place.error());
  remember_place(range.blob_id, *place);
  return read_at(*place, range, sink);
}

result<owned_bytes> registry_backend::read_now(const blob_range& range) {
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
    auto outcome = try_read(range, bytes->span());
    if (!outcome.why)
      return std::move(*bytes);
    if (outcome.is_final || !retries_.waits_after(tries, outcome.wait))
      return std::move(*outcome.why);
  }
}

} // namespace

std::shared_ptr<blob_backend> make_registry_backend(const registry_config& config) {
  return std::make_shared<registry_backend>(config);
}

} // namespace nydus
