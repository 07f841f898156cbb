// SPDX-License-Identifier: Apache-2.0
#include "storage/registry_authorization.hpp"

#include <curl/curl.h>
#include <simdjson.h>

#include <algorithm>

#include "storage/http_connection.hpp"

namespace nydus {

namespace {

constexpr std::int64_t standard_life = 600; // seconds, where the server says none
constexpr std::int64_t longest_life = 24 * 3600;
constexpr std::chrono::milliseconds margin{20'000}; // before its end in which a token is not used
constexpr const char* client_id = "nydus-registry-client";

std::string escaped(const std::string& text) {
  auto* raw = ::curl_easy_escape(nullptr, text.c_str(), static_cast<int>(text.size()));
  std::string all = raw == nullptr ? "" : raw;
  ::curl_free(raw);
  return all;
}

std::string query_of(const auth_challenge& challenge) {
  std::string query = "client_id=" + escaped(client_id);
  if (!challenge.service.empty())
    query += "&service=" + escaped(challenge.service);
  if (!challenge.scope.empty())
    query += "&scope=" + escaped(challenge.scope);
  return query;
}

/// Lets those go on who wait for a fetch, also where it ends in an exception.
struct flight_end {
  std::atomic<std::uint32_t>& fetches;
  ~flight_end() {
    fetches.fetch_add(1);
    fetches.notify_all();
  }
};

struct issued_token {
  std::string text;
  std::int64_t life = standard_life; // seconds
};

result<issued_token> read_token(const std::string& body) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  std::string_view text;
  if (parser.parse(body).get(document) != simdjson::SUCCESS)
    return failure{errc::backend_down, "its answer is no JSON"};
  if ((document["token"].get(text) != simdjson::SUCCESS || text.empty()) &&
      document["access_token"].get(text) != simdjson::SUCCESS)
    return failure{errc::backend_down, "its answer has neither token nor access_token"};
  if (text.find_first_of("\r\n") != std::string_view::npos)
    return failure{errc::backend_down, "its token has more than one line"};
  issued_token issued{std::string{text}};
  if (std::int64_t life = 0; document["expires_in"].get(life) == simdjson::SUCCESS && life > 0)
    issued.life = std::min(life, longest_life);
  return issued;
}

} // namespace

registry_authorization::registry_authorization(const registry_config& config)
    : config_(config), auth_(std::make_shared<const std::string>(config.auth)) {
  auto first = std::make_shared<credential>();
  if (!config.token.empty())
    first->value = "Bearer " + config.token;
  current_ = pointer{std::move(first)};
  last_ = std::make_shared<const fetched>();
}

void registry_authorization::set_auth(const std::string& auth) {
  auth_ = std::make_shared<const std::string>(auth);
  current_ = std::make_shared<const credential>();
}

result<registry_authorization::pointer> registry_authorization::renew(const auth_challenge& challenge,
                                                                      const pointer& refused) {
  for (;;) {
    if (auto now = current(); now != refused)
      return now; // renewed meanwhile
    auto number = fetches_.load();
    if (number % 2 != 0) { // somebody fetches it
      fetches_.wait(number);
      if (const auto last = last_.load(); last->number == number)
        return last->outcome;
      continue;
    }
    if (!fetches_.compare_exchange_strong(number, number + 1))
      continue;
    const flight_end landing{fetches_};
    auto done = std::make_shared<fetched>();
    done->number = number + 1;
    const auto auth = auth_.load();
    done->outcome = current() == refused ? fetch(challenge, *auth) : result<pointer>{current()};
    if (done->outcome && auth == auth_.load()) // else it is another user's by now
      current_ = *done->outcome;
    auto outcome = done->outcome;
    last_ = std::shared_ptr<const fetched>{std::move(done)};
    return outcome;
  }
}

result<registry_authorization::pointer> registry_authorization::fetch(const auth_challenge& challenge,
                                                                      const std::string& auth) const {
  if (challenge.kind == auth_challenge::scheme::bearer)
    return fetch_token(challenge, auth);
  if (auth.empty())
    return failure{errc::backend_down, config_.host + " wants a user and password; configure auth"};
  auto made = std::make_shared<credential>();
  made->value = "Basic " + auth;
  return pointer{std::move(made)};
}

result<registry_authorization::pointer> registry_authorization::fetch_token(const auth_challenge& challenge,
                                                                            const std::string& auth) const {
  // Who asks a registry by TLS does not want the password to go on in the clear, whatever the registry says.
  if (!auth.empty() && config_.scheme != "http" && !config_.http.skips_verify &&
      !challenge.realm.starts_with("https://"))
    return failure{errc::backend_down, "token server " + shown_url(challenge.realm) + " of " + config_.host +
                                           " would get the password in the clear; configure registry_token, "
                                           "or scheme http if that is meant"};
  http_request request;
  const auto separator = challenge.realm.find('?') == std::string::npos ? "?" : "&";
  request.url = challenge.realm + separator + query_of(challenge);
  if (!auth.empty())
    request.headers.push_back("Authorization: Basic " + auth);
  request.config = &config_.http;
  auto answer = http_connection::of_this_thread().perform(request);
  if (answer && (answer->status == 404 || answer->status == 405)) { // OAuth2 servers take a form alone
    request.url = challenge.realm;
    request.form = query_of(challenge);
    answer = http_connection::of_this_thread().perform(request);
  }
  if (!answer)
    return answer.error();
  const auto failed = [&](const std::string& cause) {
    return failure{errc::backend_down, "token server " + shown_url(challenge.realm) + ": " + cause};
  };
  if (answer->status != 200)
    return failed("status " + std::to_string(answer->status) +
                  (auth.empty() ? "; no auth is configured" : "; is the configured auth right?"));
  auto token = read_token(answer->text);
  if (!token)
    return failed(token.error().detail);
  auto made = std::make_shared<credential>();
  made->value = "Bearer " + token->text;
  const std::chrono::milliseconds life{token->life * 1000};
  made->good_until = std::chrono::steady_clock::now() + std::max(life - margin, life / 2);
  return pointer{std::move(made)};
}

} // namespace nydus
