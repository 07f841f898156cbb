// SPDX-License-Identifier: Apache-2.0
#include "storage/registry_challenge.hpp"

#include <doctest/doctest.h>

using namespace nydus;

TEST_SUITE_BEGIN("storage/registry_challenge");

TEST_CASE("a bearer's challenge names its token server, with and without quotes, in any order") {
  for (
      const auto* header :
      {R"(Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull")",
       R"(bearer  scope="repository:a/b:pull" , service=registry.example, realm="https://auth.example/token")",
       R"(Negotiate abc, Bearer realm="https:\/\/auth.example\/token",service="registry.example",scope="repository:a/b:pull",error="invalid_token")"}) {
    CAPTURE(header);
    const auto challenge = parse_challenge(header);
    REQUIRE(challenge);
    CHECK(challenge->kind == auth_challenge::scheme::bearer);
    CHECK(challenge->realm == "https://auth.example/token");
    CHECK(challenge->service == "registry.example");
    CHECK(challenge->scope == "repository:a/b:pull");
  }
}

TEST_CASE("a scope with commas is one value") {
  const auto challenge = parse_challenge(R"(Bearer realm="http://t",scope="repository:a:pull,push")");
  REQUIRE(challenge);
  CHECK(challenge->scope == "repository:a:pull,push");
}

TEST_CASE("basic authentication is known, the first of two kinds is taken") {
  const auto basic = parse_challenge(R"(Basic realm="Registry")");
  REQUIRE(basic);
  CHECK(basic->kind == auth_challenge::scheme::basic);
  const auto both = parse_challenge(R"(Basic realm="Registry", Bearer realm="http://t")");
  REQUIRE(both);
  CHECK(both->kind == auth_challenge::scheme::basic);
}

TEST_CASE("what is no challenge, or leads nowhere, is none") {
  for (const auto* header :
       {"", "   ", ",,,", "Digest realm=\"x\"", "Bearer", "Bearer realm=\"file:///etc/passwd\"",
        "Bearer realm=\"", "=", "\"", "Bearer realm", "Bearer =x", "Bearer realm=ftp://x"}) {
    CAPTURE(header);
    CHECK(!parse_challenge(header));
  }
}
