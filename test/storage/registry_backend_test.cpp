// SPDX-License-Identifier: Apache-2.0
#include "storage/registry_backend.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "storage/registry_authorization.hpp"
#include "test/fakes/http_stage.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("storage/registry_backend");

namespace {

const std::string blob_id(64, 'a');
const std::string blob_path = "/v2/library/image/blobs/sha256:" + blob_id;
constexpr const char* user_auth = "dXNlcjpwYXNzd29yZA=="; // user:password

std::string content() {
  std::string bytes;
  for (int i = 0; i < 30'000; ++i)
    bytes += static_cast<char>(i * 31 + i / 256);
  return bytes;
}

registry_config config_for(const http_stage& stage) {
  registry_config config;
  config.scheme = "http";
  config.host = stage.host();
  config.repo = "library/image";
  config.http.retry_limit = 2;
  config.http.timeout = config.http.connect_timeout = 1;
  return config;
}

result<std::string> read(blob_backend& backend, std::uint64_t offset, std::uint64_t size,
                         const std::string& id = blob_id) {
  result<std::string> outcome{std::string{}};
  backend.read({id, offset, size}, [&](result<owned_bytes> bytes) {
    if (bytes)
      outcome = std::string{reinterpret_cast<const char*>(bytes->span().data()), bytes->span().size()};
    else
      outcome = bytes.error();
  });
  return outcome;
}

void check_fails(blob_backend& backend, errc code, const std::string& word, std::uint64_t size = 10) {
  const auto outcome = read(backend, 0, size);
  REQUIRE(!outcome);
  CHECK(outcome.error().code == code);
  CHECK_MESSAGE(outcome.error().detail.find(word) != std::string::npos, outcome.error().detail);
}

std::string header(const staged_request& request, const std::string& name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? std::string{} : found->second;
}

/// A registry that wants a token, and its token server, on one stage.
struct guarded_registry {
  std::atomic<int> tokens_issued{0};
  std::atomic<int> blob_requests{0};
  std::string life = "300"; // seconds
  http_stage stage{[this](const staged_request& request) { return answer(request); }};

  staged_answer answer(const staged_request& request) {
    if (request.path == "/token") {
      if (header(request, "authorization") != std::string{"Basic "} + user_auth)
        return {401, "no"};
      CHECK(request.query.at("service") == "registry & more");
      CHECK(request.query.at("scope") == "repository:library/image:pull");
      const auto number = std::to_string(++tokens_issued);
      return {200, R"({"token": "token-)" + number + R"(", "expires_in": )" + life + "}"};
    }
    ++blob_requests;
    CHECK(request.path == blob_path);
    if (header(request, "authorization") != "Bearer token-" + std::to_string(tokens_issued))
      return {401,
              "",
              {{"WWW-Authenticate",
                "Bearer realm=\"http://" + stage.host() +
                    "/token\",service=\"registry & more\",scope=\"repository:library/image:pull\""}}};
    return range_of(content(), request);
  }
};

} // namespace

TEST_CASE("ranges of a blob are read") {
  http_stage stage{[](const staged_request& request) {
    CHECK(request.path == blob_path);
    CHECK(header(request, "authorization").empty());
    return range_of(content(), request);
  }};
  const auto backend = make_registry_backend(config_for(stage));
  for (const auto& [offset, size] :
       std::vector<std::pair<std::size_t, std::size_t>>{{0, 1}, {0, 30'000}, {29'999, 1}, {4095, 9000}})
    CHECK(*read(*backend, offset, size) == content().substr(offset, size));
}

TEST_CASE("a token is fetched once for many readers, and again when it is refused") {
  guarded_registry registry;
  auto config = config_for(registry.stage);
  config.auth = user_auth;
  const auto backend = make_registry_backend(config);
  std::vector<std::thread> readers;
  std::atomic<int> right{0};
  for (int i = 0; i < 8; ++i)
    readers.emplace_back([&] {
      for (std::uint64_t k = 0; k < 20; ++k)
        right += *read(*backend, k * 7, 100) == content().substr(k * 7, 100) ? 1 : 0;
    });
  for (auto& reader : readers)
    reader.join();
  CHECK(right == 160);
  CHECK(registry.tokens_issued == 1);
  ++registry.tokens_issued; // as if the registry forgot the first
  CHECK(read(*backend, 0, 10));
  CHECK(registry.tokens_issued == 3);
}

TEST_CASE("a token that has run out is not sent again") {
  guarded_registry registry;
  registry.life = "1"; // good for half of it
  auto config = config_for(registry.stage);
  config.auth = user_auth;
  const auto backend = make_registry_backend(config);
  CHECK(read(*backend, 0, 10));
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  CHECK(read(*backend, 0, 10));
  CHECK(registry.tokens_issued == 2);
}

TEST_CASE("wrong credentials are told as such, and right ones help at once") {
  guarded_registry registry;
  auto config = config_for(registry.stage);
  config.http.retry_limit = 1;
  config.auth = "dXNlcjp3cm9uZw==";
  const auto backend = make_registry_backend(config);
  check_fails(*backend, errc::backend_down, "is the configured auth right?");
  backend->set_auth(user_auth);
  CHECK(read(*backend, 0, 10));
}

TEST_CASE("a registry asked by TLS cannot have the password sent on in the clear") {
  registry_config config;
  config.host = "registry.example";
  config.auth = user_auth;
  const auth_challenge challenge{auth_challenge::scheme::bearer, "http://127.0.0.1:1/token?secret", "", ""};
  registry_authorization authorization{config};
  const auto renewed = authorization.renew(challenge, authorization.current());
  REQUIRE(!renewed);
  CHECK_MESSAGE(renewed.error().detail.find("in the clear") != std::string::npos, renewed.error().detail);
  CHECK(renewed.error().detail.find("secret") == std::string::npos);
}

TEST_CASE("a registry with basic authentication gets the user's, one with a token that") {
  for (const bool has_token : {false, true}) {
    const std::string wanted = has_token ? "Bearer given" : std::string{"Basic "} + user_auth;
    http_stage stage{[&](const staged_request& request) -> staged_answer {
      if (header(request, "authorization") != wanted)
        return {401, "", {{"WWW-Authenticate", "Basic realm=\"x\""}}};
      return range_of(content(), request);
    }};
    auto config = config_for(stage);
    config.auth = has_token ? "" : user_auth;
    config.token = has_token ? "given" : "";
    const auto backend = make_registry_backend(config);
    CHECK(*read(*backend, 3, 5) == content().substr(3, 5));
  }
}

TEST_CASE(
    "a redirect is followed without credentials, remembered, and asked for anew when its link runs out") {
  std::atomic<int> asked{0};
  std::atomic<bool> has_run_out{false};
  http_stage store{[&](const staged_request& request) -> staged_answer {
    CHECK(header(request, "authorization").empty());
    CHECK(request.path == "/signed");
    if (request.query.at("key") != std::to_string(asked) || has_run_out.exchange(false))
      return {403, "expired"};
    return range_of(content(), request);
  }};
  http_stage registry{[&](const staged_request& request) -> staged_answer {
    CHECK(header(request, "authorization") == "Bearer given");
    return {307, "", {{"Location", "http://" + store.host() + "/signed?key=" + std::to_string(++asked)}}};
  }};
  auto config = config_for(registry);
  config.token = "given";
  const auto backend = make_registry_backend(config);
  for (int i = 0; i < 3; ++i)
    CHECK(*read(*backend, 100, 50) == content().substr(100, 50));
  CHECK(asked == 1);
  has_run_out = true;
  CHECK(*read(*backend, 100, 50) == content().substr(100, 50));
  CHECK(asked == 2);
}

TEST_CASE("a redirect's scheme and host can be configured, and a relative one stays with the registry") {
  http_stage store{[](const staged_request& request) { return range_of(content(), request); }};
  http_stage registry{[&](const staged_request& request) -> staged_answer {
    if (request.path == "/elsewhere")
      return range_of(content(), request);
    return {302,
            "",
            {{"Location",
              request.headers.at("range") == "bytes=0-9" ? "https://unknown.invalid/signed" : "/elsewhere"}}};
  }};
  auto config = config_for(registry);
  CHECK(read(*make_registry_backend(config), 1, 9));
  config.blob_url_scheme = "http";
  config.blob_redirected_host = store.host();
  CHECK(*read(*make_registry_backend(config), 0, 10) == content().substr(0, 10));
}

TEST_CASE("what passes by itself is tried again, as often as configured") {
  for (const unsigned status : {429u, 500u, 502u, 503u}) {
    std::atomic<int> asked{0};
    http_stage stage{[&](const staged_request& request) -> staged_answer {
      return ++asked % 3 != 0 ? staged_answer{status, "busy"} : range_of(content(), request);
    }};
    auto config = config_for(stage);
    const auto backend = make_registry_backend(config);
    CHECK(read(*backend, 0, 10)); // two further tries
    CHECK(asked == 3);
    config.http.retry_limit = 1;
    check_fails(*make_registry_backend(config), errc::backend_down, "status " + std::to_string(status));
    CHECK(asked == 5);
  }
}

TEST_CASE("an answer that is cut short is tried again, and its bytes are not served") {
  std::atomic<int> asked{0};
  http_stage stage{[&](const staged_request& request) {
    auto answer = range_of(content(), request);
    if (++asked == 1)
      answer.cut_after = 5000;
    return answer;
  }};
  const auto backend = make_registry_backend(config_for(stage));
  CHECK(*read(*backend, 0, 20'000) == content().substr(0, 20'000));
  CHECK(asked == 2);
}

TEST_CASE("what will not change is told at once, with the cause") {
  std::atomic<int> asked{0};
  std::atomic<unsigned> status{404};
  http_stage stage{[&](const staged_request& request) -> staged_answer {
    ++asked;
    if (status == 206) // another range than asked for
      return {206, content().substr(1, 10), {{"Content-Range", "bytes 1-10/30000"}}};
    if (status == 200) // knows no ranges
      return {200, content()};
    if (status == 301)
      return {301, "", {{"Location", "gopher://x"}}};
    (void) request;
    return {status, "no"};
  }};
  const auto backend = make_registry_backend(config_for(stage));
  check_fails(*backend, errc::not_found, "status 404");
  status = 403;
  check_fails(*backend, errc::backend_down, "are the configured credentials right");
  status = 401;
  check_fails(*backend, errc::backend_down, "without a challenge");
  status = 206;
  check_fails(*backend, errc::backend_down, "another range: bytes 1-10/30000");
  CHECK(asked >= 4);
  status = 200;
  CHECK(read(*backend, 0, 10)); // its first bytes are those
  const auto inside = read(*backend, 5, 10);
  REQUIRE(!inside);
  CHECK(inside.error().detail.find("the server knows none") != std::string::npos);
}

TEST_CASE("a server that does not answer costs its timeouts, one that is not there less") {
  std::atomic<bool> is_over{false};
  http_stage stage{[&](const staged_request&) -> staged_answer {
    while (!is_over)
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
    return {500, ""};
  }};
  auto config = config_for(stage);
  config.http.retry_limit = 1;
  const auto begin = std::chrono::steady_clock::now();
  check_fails(*make_registry_backend(config), errc::backend_down, "127.0.0.1");
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{30});
  is_over = true;
  config.host = "127.0.0.1:1";
  check_fails(*make_registry_backend(config), errc::backend_down, "127.0.0.1:1");
}

TEST_CASE("a proxy is asked first, and left out for a while where it fails") {
  std::atomic<int> by_proxy{0};
  std::atomic<int> direct{0};
  std::atomic<bool> is_broken{false};
  http_stage registry{[&](const staged_request& request) {
    ++direct;
    return range_of(content(), request);
  }};
  http_stage proxy{[&](const staged_request& request) -> staged_answer {
    ++by_proxy;
    return is_broken ? staged_answer{502, "broken"} : range_of(content(), request);
  }};
  auto config = config_for(registry);
  config.http.proxy.url = "http://" + proxy.host();
  const auto backend = make_registry_backend(config);
  CHECK(*read(*backend, 0, 10) == content().substr(0, 10));
  CHECK(by_proxy == 1);
  CHECK(direct == 0);
  is_broken = true;
  for (int i = 0; i < 3; ++i)
    CHECK(read(*backend, 0, 10));
  CHECK(by_proxy == 2);
  CHECK(direct == 3);
  config.http.proxy.has_fallback = false;
  config.http.retry_limit = 1;
  check_fails(*make_registry_backend(config), errc::backend_down, "status 502");
  CHECK(direct == 3);
}

TEST_CASE("an id that could change the URL is refused") {
  http_stage stage{[](const staged_request&) -> staged_answer {
    CHECK_MESSAGE(false, "it was asked for");
    return {};
  }};
  const auto backend = make_registry_backend(config_for(stage));
  for (const auto* id : {"", "a/b", "a?b", "a#b", "..", "a b", "a%2f"}) {
    const auto outcome = read(*backend, 0, 1, id);
    REQUIRE(!outcome);
    CHECK(outcome.error().code == errc::malformed);
  }
}
