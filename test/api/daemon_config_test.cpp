// SPDX-License-Identifier: Apache-2.0
#include "api/daemon_config.hpp"

#include <doctest/doctest.h>

using namespace nydus;

TEST_SUITE_BEGIN("api/daemon_config");

TEST_CASE("every form of the same configuration gives the same settings") {
  const auto check = [](const char* text) {
    const auto parsed = parse_config(text);
    REQUIRE_MESSAGE(parsed, (parsed ? "" : parsed.error().detail));
    CHECK(parsed->backend.kind == "localfs");
    CHECK(parsed->backend.localfs.directory == "/blobs");
    CHECK(parsed->cache.kind == cache_config::placement::files);
    CHECK(parsed->cache.work_directory == "/cache");
    CHECK(parsed->cache.check_fetched);
  };
  SUBCASE("oldest") {
    check(R"({"device_config":{"backend":{"type":"localfs","config":{"dir":"/blobs"}},
              "cache":{"type":"blobcache","config":{"work_dir":"/cache"}}}})");
  }
  SUBCASE("v1, as the snapshotter writes it") {
    check(R"({"device":{"id":"/1","backend":{"type":"localfs","config":{"readahead":false,"dir":"/blobs",
              "proxy":{"fallback":false}}},"cache":{"type":"blobcache","config":{"work_dir":"/cache",
              "disable_indexed_map":false}}},"mode":"direct","digest_validate":false,
              "fs_prefetch":{"enable":false,"prefetch_all":false},"warmup":7})");
  }
  SUBCASE("v2 JSON") {
    check(R"({"version":2,"backend":{"type":"localfs","localfs":{"dir":"/blobs"}},
              "cache":{"type":"filecache","filecache":{"work_dir":"/cache"}}})");
  }
  SUBCASE("v2 TOML") {
    check("version = 2\n[backend]\ntype = \"localfs\"\n[backend.localfs]\ndir = \"/blobs\"\n"
          "[cache]\ntype = \"blobcache\"\n[cache.filecache]\nwork_dir = \"/cache\"\n");
  }
}

TEST_CASE("an empty cache is the dummy one") {
  const auto parsed = parse_config(
      R"({"device":{"backend":{"type":"localfs","config":{"dir":"/b"}},"cache":{}},"mode":"cached"})");
  REQUIRE(parsed);
  CHECK(parsed->cache.kind == cache_config::placement::none);
  CHECK(parsed->mode == "cached");
}

TEST_CASE("prefetch of v1 means everything unless it says otherwise") {
  const auto with = [](const std::string& prefetch) {
    return *parse_config(
        R"({"device":{"backend":{"type":"localfs","config":{"dir":"/b"}}},"mode":"direct","fs_prefetch":)" +
        prefetch + "}");
  };
  CHECK(with(R"({"enable":true})").rafs_prefetch.everything);
  CHECK(!with(R"({"enable":true,"prefetch_all":false})").rafs_prefetch.everything);
  CHECK(with(R"({"enable":true,"threads_count":3})").cache_prefetch.threads == 3);
}

TEST_CASE("a wrong field is named with what it is and what would be right") {
  const auto check = [](const char* text, const char* field, const char* right) {
    const auto parsed = parse_config(text);
    REQUIRE(!parsed);
    CHECK(parsed.error().code == errc::malformed);
    CHECK_MESSAGE(parsed.error().detail.find(field) != std::string::npos, parsed.error().detail);
    CHECK_MESSAGE(parsed.error().detail.find(right) != std::string::npos, parsed.error().detail);
  };
  check("{}", "device", "an object");
  check(R"({"device":{"backend":{"type":"localfs","config":{"dir":"/b"}}},"mode":"fast"})", "mode",
        "\"direct\"");
  check(R"({"device":{"backend":{"type":"localfs","config":{"dir":7}}},"mode":"direct"})",
        "device.backend.config.dir", "a string");
  check(R"({"device":{"backend":{"type":"ftp","config":{}}},"mode":"direct"})", "device.backend.type",
        "localfs");
  check(R"({"version":2,"backend":{"type":"localfs","localfs":{}}})", "backend.localfs.dir", "directory");
  check(
      R"({"version":2,"backend":{"type":"localfs","localfs":{"dir":"/b"}},"rafs":{"prefetch":{"enable":true,"threads":0}}})",
      "rafs.prefetch.threads", "1 to 1024");
  check("not a configuration", "failed to parse configuration information", "JSON");
}
