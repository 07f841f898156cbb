// SPDX-License-Identifier: Apache-2.0
#include "storage/registry_backend.hpp"

#include <curl/curl.h>

#include <atomic>
#include <map>
#include <optional>
#include <vector>

#include "storage/http_ranges.hpp"
#include "storage/registry_authorization.hpp"

namespace nydus {

namespace {

using places = std::map<std::string, std::string>; // blob id -> URL that the registry redirected to

class registry_backend final : public blob_backend {
public:
  explicit registry_backend(const registry_config& config)
      : config_(config), authorization_(config), places_(std::make_shared<const places>()),
        ranges_(config.http) {}

  void read(const blob_range& range, read_done done) override {
    done(ranges_.read(range, [&](std::span<std::byte> sink) { return try_read(range, sink); }));
  }
  void set_auth(const std::string& auth) override {
    authorization_.set_auth(auth);
    places_ = std::make_shared<const places>();
  }

private:
  range_attempt try_read(const blob_range& range, std::span<std::byte> sink);
  range_attempt read_at(const std::string& url, const blob_range& range, std::span<std::byte> sink);

  result<http_answer> ask_registry(const blob_range& range, std::span<std::byte> sink);
  result<http_answer> get(const std::string& url, const blob_range& range, std::span<std::byte> sink,
                          const std::string& authorization) {
    return ranges_.get(url, range, sink,
                       authorization.empty() ? std::vector<std::string>{}
                                             : std::vector{"Authorization: " + authorization});
  }
  std::string blob_url(const std::string& blob_id) const;
  result<std::string> redirected(const std::string& from, const std::string& location) const;

  std::optional<std::string> known_place(const std::string& blob_id) const;
  void remember_place(const std::string& blob_id, const std::string& url);
  void forget_place(const std::string& blob_id, const std::string& url);

  const registry_config config_;
  registry_authorization authorization_;
  std::atomic<std::shared_ptr<const places>> places_;
  std::atomic<bool> speaks_http_{false}; // what was configured as https does not speak TLS
  http_ranges ranges_;
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
  const auto colon = host.ends_with(']') ? std::string::npos : host.rfind(':');
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

/// Reads at a place that the registry redirected to: without authorization, which is not for others.
range_attempt registry_backend::read_at(const std::string& url, const blob_range& range,
                                        std::span<std::byte> sink) {
  const auto answer = get(url, range, sink, {});
  if (!answer) {
    forget_place(range.blob_id, url);
    return range_attempt::again(answer.error());
  }
  auto outcome = http_ranges::judge(*answer, url, range);
  if (outcome.why) {
    forget_place(range.blob_id, url);
    outcome.is_final = outcome.is_final && answer->status / 100 != 4; // the link may have run out
  }
  return outcome;
}

range_attempt registry_backend::try_read(const blob_range& range, std::span<std::byte> sink) {
  if (const auto place = known_place(range.blob_id))
    if (auto outcome = read_at(*place, range, sink); !outcome.why || outcome.is_final)
      return outcome;
  const auto answer = ask_registry(range, sink);
  if (!answer)
    return range_attempt::again(answer.error());
  const auto url = blob_url(range.blob_id);
  if (answer->status / 100 != 3)
    return http_ranges::judge(*answer, url, range);
  const auto location = answer->headers.find("location");
  if (location == answer->headers.end())
    return range_attempt::final(
        {errc::backend_down, url + ": status " + std::to_string(answer->status) + " without a place"});
  const auto place = redirected(url, location->second);
  if (!place)
    return range_attempt::final(place.error());
  remember_place(range.blob_id, *place);
  return read_at(*place, range, sink);
}

} // namespace

std::shared_ptr<blob_backend> make_registry_backend(const registry_config& config) {
  return std::make_shared<registry_backend>(config);
}

} // namespace nydus
