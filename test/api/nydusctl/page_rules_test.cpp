// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/page_rules.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>

#include <cstring>

using namespace nydus::ctl;

TEST_SUITE_BEGIN("api/nydusctl/page_rules");

TEST_CASE("only addresses of this machine itself are listened on") {
  for (const auto* good : {"127.0.0.1:8080", "127.1.2.3:0", "localhost:80", "[::1]:8080"})
    CHECK_MESSAGE(parse_loopback(good), good);
  for (const auto* bad :
       {"0.0.0.0:80", "192.168.1.1:80", "[::]:80", "[fe80::1]:80", "::1:80", "example.com:80", "127.0.0.1",
        "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:8x", ":80", "", "[::1]80", "[::1", "[127.0.0.1]:80"})
    CHECK_MESSAGE(!parse_loopback(bad), bad);
  const auto address = parse_loopback("127.0.0.1:8080");
  REQUIRE(address);
  sockaddr_in v4{};
  std::memcpy(&v4, &*address, sizeof v4);
  CHECK(v4.sin_family == AF_INET);
  CHECK(ntohs(v4.sin_port) == 8080);
  CHECK(ntohl(v4.sin_addr.s_addr) == INADDR_LOOPBACK);
}

TEST_CASE("a Host header has to name this machine, so that no other name can be made to mean it") {
  for (const auto* good : {"127.0.0.1:8080", "127.0.0.1", "localhost", "localhost:1", "[::1]:8080", "[::1]"})
    CHECK_MESSAGE(is_own_host(good), good);
  for (const auto* bad :
       {"", "evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example",
        "0.0.0.0:8080", "10.0.0.1", "[::2]:80", "[::1]x", "::1", "localhost:80@evil.example"})
    CHECK_MESSAGE(!is_own_host(bad), bad);
}

TEST_CASE("only what looks is passed on, its query encoded anew") {
  CHECK(daemon_target("/api/v1/actors") == "/api/v1/actors");
  CHECK(daemon_target("/metrics") == "/metrics");
  CHECK(daemon_target("/api/v1/trace?slowest=5&mount=/a%20b") == "/api/v1/trace?mount=%2Fa%20b&slowest=5");
  CHECK(daemon_target("/api/v1/trace?x=%0d%0aHost:+evil") == "/api/v1/trace?x=%0D%0AHost%3A%20evil");
  for (const auto* bad : {"/api/v1/daemon", "/api/v1/mount?mountpoint=/a", "/api/v1/daemon/exit",
                          "/api/v1/actors/", "/api/v1/../v1/actors", "/metrics/", "", "/api/v1/trace?a=%00"})
    CHECK_MESSAGE(!daemon_target(bad), bad);
}

TEST_SUITE_END();
