// SPDX-License-Identifier: Apache-2.0
#include "api/daemon_config.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

using namespace nydus;

namespace {

mount_settings parsed(std::string_view text) {
  const auto settings = parse_config(text);
  REQUIRE_MESSAGE(settings, (settings ? "" : settings.error().detail));
  return *settings;
}

/// The reason why `text` is refused.
std::string refused(std::string_view text) {
  const auto settings = parse_config(text);
  REQUIRE_FALSE(settings);
  return settings.error().detail;
}

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// A v1 configuration with `more` at its top level.
std::string v1_with(const std::string& more) {
  return R"({"device":{"backend":{"type":"localfs","config":{"dir":"/b"}},"cache":{}},"mode":"direct")" +
         more + "}";
}

} // namespace

TEST_SUITE_BEGIN("api/daemon_config");

TEST_CASE("what the snapshotter serialises is understood, with all its empty parts") {
  const auto settings = parsed(R"({"device":{"id":"/12","backend":{"type":"localfs","config":{"dir":"/blobs",
    "readahead":false,"proxy":{"fallback":false},"mirrors":[{"host":"x"}]}},
    "cache":{"type":"blobcache","config":{"work_dir":"/cache","disable_indexed_map":false}}},
    "mode":"direct","digest_validate":false,"iostats_files":true,"enable_xattr":true,"amplify_io":1048576,
    "fs_prefetch":{"enable":true,"prefetch_all":false,"threads_count":10,"merging_size":131072,"bandwidth_rate":1048576},
    "id_mapping":[0,100000,65536],"warmup":0})");
  CHECK(settings.id == "/12");
  CHECK(settings.backend.kind == "localfs");
  CHECK(settings.backend.localfs.directory == "/blobs");
  CHECK(settings.cache.kind == cache_config::placement::files);
  CHECK(settings.cache.work_directory == "/cache");
  CHECK(settings.cache.check_fetched);
  CHECK(settings.mode == "direct");
  CHECK(settings.enable_xattr);
  CHECK(settings.iostats_files);
  CHECK(settings.rafs_prefetch.enabled);
  CHECK(settings.rafs_prefetch.threads == 10);
  CHECK(settings.rafs_prefetch.batch_size == 131072);
  CHECK(settings.rafs_prefetch.bandwidth_limit == 1048576);
  CHECK_FALSE(settings.rafs_prefetch.everything);
  CHECK(settings.cache_prefetch == settings.rafs_prefetch);
  CHECK(settings.owners == id_mapping{0, 100000, 65536});
}

TEST_CASE("the smoke suite's template is understood") {
  const auto settings = parsed(R"({"id":"/mnt","device":{"backend":{"type":"localfs","config":{"dir":"/b"}},
    "external_backend":{"config_path":""},
    "cache":{"type":"blobcache","config":{"compressed":true,"work_dir":"/c"}}},
    "mode":"cached","iostats_files":true,"fs_prefetch":{"enable":false,"threads_count":10,"merging_size":131072},
    "digest_validate":true,"enable_xattr":true,"latest_read_files":true,"access_pattern":true,"amplify_io":268435456})");
  CHECK(settings.mode == "cached");
  CHECK(settings.digest_validate);
  CHECK(settings.latest_read_files);
  CHECK(settings.access_pattern);
  CHECK(settings.batch_size == 0x10000000);
  CHECK_FALSE(settings.rafs_prefetch.enabled);
}

TEST_CASE("the forms of 2020 are understood") {
  auto settings = parsed(R"({"device_config":{"backend":{"type":"localfs","config":{"blob_file":"/b/one",
    "readahead":true,"readahead_sec":10}},"cache":{}}})");
  CHECK(settings.backend.localfs.blob_file == "/b/one");
  CHECK(settings.cache.kind == cache_config::placement::none);
  CHECK(settings.mode == "direct");
  settings = parsed(R"({"device_config":{"backend":{"type":"registry","config":{"scheme":"http",
    "host":"user:pass@my-registry:5000","repo":"","proxy":"http://p"}},
    "cache":{"type":"blobcache","config":{"work_dir":"/cache"}}}})");
  CHECK(settings.backend.kind == "registry");
  CHECK(settings.backend.registry.host == "my-registry:5000");
  CHECK(settings.backend.registry.auth == "dXNlcjpwYXNz"); // user:pass
  CHECK(settings.backend.registry.scheme == "http");
  CHECK(settings.backend.registry.http.proxy.url == "http://p");
}

TEST_CASE("all that a registry's configuration says is kept, in v1 and v2") {
  const std::string fields = R"({"scheme":"http","host":"h:5000","repo":"a/b","auth":"dXNlcjpwYXNz",
    "registry_token":"t","skip_verify":true,"ca_cert_files":["/ca"],"timeout":7,"connect_timeout":8,
    "retry_limit":9,"blob_url_scheme":"https","blob_redirected_host":"store",
    "proxy":{"url":"http://p","fallback":false,"check_interval":3,"use_http":true,"ping_url":"http://q"}})";
  registry_config wanted;
  wanted.scheme = "http";
  wanted.host = "h:5000";
  wanted.repo = "a/b";
  wanted.auth = "dXNlcjpwYXNz";
  wanted.token = "t";
  wanted.blob_url_scheme = "https";
  wanted.blob_redirected_host = "store";
  wanted.http = {true, {"/ca"}, 7, 8, 9, {"http://p", false, 3, true}};
  for (const auto& text :
       {R"({"device":{"backend":{"type":"registry","config":)" + fields + R"(}},"mode":"direct"})",
        R"({"version":2,"backend":{"type":"registry","registry":)" + fields + "}}"}) {
    const auto settings = parsed(text);
    CHECK(settings.backend.registry == wanted);
  }
  // What clients write for what they leave to us.
  const auto plain = parsed(R"({"device":{"backend":{"type":"registry","config":{"scheme":"","host":"h",
    "proxy":{"fallback":false},"timeout":0}}},"mode":"direct"})");
  CHECK(plain.backend.registry.http.timeout == 5);
  CHECK(plain.backend.registry.http.proxy.url.empty());
}

TEST_CASE("an object store's configuration is kept, its endpoint may be a URL, and S3 has one of its own") {
  auto settings = parsed(R"({"device":{"backend":{"type":"oss","config":{"endpoint":"oss.example",
    "bucket_name":"b","object_prefix":"p/","access_key_id":"k","access_key_secret":"s","timeout":9}}},"mode":"direct"})");
  object_store_config wanted;
  wanted.endpoint = "oss.example";
  wanted.bucket = "b";
  wanted.prefix = "p/";
  wanted.key_id = "k";
  wanted.key_secret = "s";
  wanted.http.timeout = 9;
  CHECK(settings.backend.objects == wanted);
  settings = parsed(R"({"version":2,"backend":{"type":"s3","s3":{"region":"r","bucket_name":"b"}}})");
  CHECK(settings.backend.objects.endpoint == "s3.amazonaws.com");
  CHECK(settings.backend.objects.scheme == "https");
  settings = parsed(
      R"({"version":2,"backend":{"type":"s3","s3":{"region":"r","bucket_name":"b","endpoint":"http://h:9000"}}})");
  CHECK(settings.backend.objects.endpoint == "h:9000");
  CHECK(settings.backend.objects.scheme == "http");
  for (const auto& one : std::vector<std::pair<std::string, std::string>>{
           {R"({"version":2,"backend":{"type":"oss","oss":{"bucket_name":"b"}}})", "oss.endpoint"},
           {R"({"version":2,"backend":{"type":"oss","oss":{"endpoint":"h"}}})", "oss.bucket_name"},
           {R"({"version":2,"backend":{"type":"s3","s3":{"bucket_name":"b"}}})", "s3.region"},
           {R"({"version":2,"backend":{"type":"s3","s3":{"bucket_name":"b/c","region":"r"}}})",
            "s3.bucket_name"}})
    CHECK_MESSAGE(holds(refused(one.first), one.second), one.first);
}

TEST_CASE("a wrong field of a registry is named") {
  for (const auto& one : std::vector<std::pair<std::string, std::string>>{
           {R"("host":"")", "config.host"},
           {R"("host":"h/x")", "config.host"},
           {R"("host":"h","scheme":"ftp")", "config.scheme"},
           {R"("host":"h","auth":"user:pass")", "config.auth"},
           {R"("host":"h","auth":"dXNlcg==")", "config.auth"}, // "user" alone
           {R"("host":"h","registry_token":"a\nb")", "config.registry_token"},
           {R"("host":"h","timeout":"5s")", "config.timeout"},
           {R"("host":"h","proxy":"p:3128")", "config.proxy"},
           {R"("host":"h","proxy":{"url":7})", "config.proxy.url"},
           {R"("host":"h","retry_limit":-1)", "config.retry_limit"}}) {
    const auto why = refused(R"({"device":{"backend":{"type":"registry","config":{)" + one.first +
                             R"(}}},"mode":"direct"})");
    CHECK_MESSAGE(holds(why, one.second), one.first);
  }
}

TEST_CASE("defaults of v1 are those that clients know") {
  auto settings = parsed(v1_with(""));
  CHECK(settings.batch_size == 1 << 20);
  CHECK_FALSE(settings.enable_xattr);
  CHECK_FALSE(settings.rafs_prefetch.enabled);
  CHECK_FALSE(settings.rafs_prefetch.everything);
  settings = parsed(v1_with(R"(,"fs_prefetch":{"enable":true})"));
  CHECK(settings.rafs_prefetch.threads == 8);
  CHECK(settings.rafs_prefetch.batch_size == 1 << 20);
  CHECK(settings.rafs_prefetch.everything); // in v1 alone
  settings = parsed(R"({"device":{"backend":{"type":"localfs","config":{"dir":"/b"}},
    "cache":{"type":"blobcache","config":{}}},"mode":"direct"})");
  CHECK(settings.cache.work_directory == ".");
}

TEST_CASE("v2 says the same in JSON and in TOML") {
  const auto json = parsed(
      R"({"version":2,"id":"one","backend":{"type":"localfs","localfs":{"dir":"/b","alt_dirs":["/c","/d"]}},
    "cache":{"type":"filecache","compressed":true,"validate":true,"check_fetched":false,"filecache":{"work_dir":"/w"}},
    "rafs":{"mode":"cached","batch_size":4096,"validate":true,"enable_xattr":true,
            "prefetch":{"enable":true,"threads":4,"batch_size":65536,"bandwidth_limit":10}}})");
  const auto toml = parsed(R"(
version = 2
id = "one"
[backend]
type = "localfs"
[backend.localfs]
dir = "/b"
alt_dirs = ["/c", "/d"]
[cache]
type = "filecache"
compressed = true
validate = true
check_fetched = false
[cache.filecache]
work_dir = "/w"
[rafs]
mode = "cached"
batch_size = 4096
validate = true
enable_xattr = true
[rafs.prefetch]
enable = true
threads = 4
batch_size = 65536
bandwidth_limit = 10
)");
  CHECK(json == toml);
  CHECK(json.backend.localfs.other_directories == std::vector<std::string>{"/c", "/d"});
  CHECK(json.cache.keep_compressed);
  CHECK_FALSE(json.cache.check_fetched);
  CHECK(json.rafs_prefetch.threads == 4);
  CHECK_FALSE(json.rafs_prefetch.everything);
  CHECK(json.cache_prefetch == json.rafs_prefetch);
}

TEST_CASE("limits stand at the top level of every form, and those left out keep their defaults") {
  const wait_limits wanted{3, 4096, 2, 1 << 20};
  const std::string limits =
      R"("limits":{"mount_reads":3,"mount_bytes":4096,"backend_requests":2,"backend_bytes":1048576})";
  CHECK(parsed(v1_with("," + limits)).limits == wanted);
  CHECK(parsed(R"({"device_config":{"backend":{"type":"localfs","config":{"dir":"/b"}}},)" + limits + "}")
            .limits == wanted);
  CHECK(
      parsed(R"({"version":2,"backend":{"type":"localfs","localfs":{"dir":"/b"}},)" + limits + "}").limits ==
      wanted);
  CHECK(parsed(R"(
version = 2
[backend]
type = "localfs"
localfs = { dir = "/b" }
[limits]
mount_reads = 3
mount_bytes = 4096
backend_requests = 2
backend_bytes = 1048576
)")
            .limits == wanted);
  CHECK(parsed(v1_with("")).limits == wait_limits{});
  CHECK(parsed(v1_with(R"(,"limits":{})")).limits == wait_limits{});
  const auto some = parsed(v1_with(R"(,"limits":{"backend_requests":1})")).limits;
  CHECK(some.backend_requests == 1);
  CHECK(some.mount_reads == wait_limits{}.mount_reads);
}

TEST_CASE("a limit of nothing is refused by name, as is one that is no limit") {
  for (const std::string name : {"mount_reads", "mount_bytes", "backend_requests", "backend_bytes"})
    for (const std::string value : {"0", "-1", "\"8\"", "18446744073709551615"})
      CHECK(holds(refused(v1_with(",\"limits\":{\"" + name + "\":" + value + "}")), "limits." + name));
  CHECK(holds(refused(v1_with(R"(,"limits":{"backend_requests":1025})")), "1024"));
  CHECK(holds(refused(v1_with(R"(,"limits":[])")), "limits is a list"));
}

TEST_CASE("unknown fields and nulls are passed over at every level") {
  CHECK(parsed(v1_with("")) ==
        parsed(R"({"device":{"backend":{"type":"localfs","config":{"dir":"/b","x":1},"y":[1]},
    "cache":{"z":{}},"id":null,"external_backends":[]},"mode":"direct","fs_prefetch":null,"w":{"a":[{}]}})"));
}

TEST_CASE("other known backends are kept for the mount to refuse") {
  for (const auto* kind : {"localdisk", "http-proxy"})
    CHECK(parsed(std::string{R"({"device":{"backend":{"type":")"} + kind +
                 R"(","config":{"host":"h"}}},"mode":"direct"})")
              .backend.kind == kind);
}

TEST_CASE("a wrong field is named, with what it is and what would be right") {
  auto why = refused(R"({"device":{"backend":{"type":"floppy","config":{}}},"mode":"direct"})");
  CHECK(holds(why, "device.backend.type"));
  CHECK(holds(why, "floppy"));
  CHECK(holds(why, "localfs"));
  CHECK(holds(refused(R"({"device":{"backend":{"type":"","config":{}}},"mode":"direct"})"),
              "device.backend.type is string \"\""));
  why = refused(R"({"device":{"backend":{"type":"localfs","config":{"dir":7}}},"mode":"direct"})");
  CHECK(holds(why, "device.backend.config.dir"));
  CHECK(holds(why, "7"));
  CHECK(holds(why, "a string"));
  CHECK(holds(refused(R"({"device":{"backend":{"type":"localfs","config":{}}},"mode":"direct"})"),
              "config.dir"));
  CHECK(holds(
      refused(
          R"({"device":{"backend":{"type":"localfs","config":{"dir":"/b"}},"cache":{"type":"blobcache"}},"mode":"direct"})"),
      "device.cache.config"));
  CHECK(holds(
      refused(R"({"device":{"backend":{"type":"localfs","config":{"dir":"/b\u0000"}}},"mode":"direct"})"),
      "NUL"));
  CHECK(holds(refused(R"({"device":{"backend":{"type":"localfs","config":{"dir":"/b"}}}})"), "mode"));
  CHECK(holds(refused(v1_with(R"(,"digest_validate":"yes")")), "digest_validate is string \"yes\""));
  CHECK(holds(refused(v1_with(R"(,"amplify_io":268435457)")), "amplify_io is number 268435457"));
  CHECK(holds(refused(v1_with(R"(,"amplify_io":-1)")), "amplify_io"));
  CHECK(holds(refused(v1_with(R"(,"amplify_io":18446744073709551615)")), "amplify_io"));
  CHECK(holds(refused(v1_with(R"(,"fs_prefetch":{"enable":true,"threads_count":0})")),
              "fs_prefetch.threads_count"));
  CHECK(holds(refused(v1_with(R"(,"fs_prefetch":{"enable":true,"threads_count":1025})")), "1024"));
  CHECK(holds(refused(v1_with(R"(,"fs_prefetch":[])")), "fs_prefetch is a list"));
  CHECK(holds(refused(v1_with(R"(,"id_mapping":[1,2])")), "id_mapping"));
  CHECK(holds(refused(R"({"version":3,"backend":{}})"), "version is number 3"));
  CHECK(holds(refused(R"({"version":2})"), "backend is missing"));
  CHECK(holds(
      refused(R"({"version":2,"backend":{"type":"localfs","localfs":{"dir":"/b"}},"rafs":{"mode":"fast"}})"),
      "rafs.mode"));
  CHECK(holds(
      refused(
          R"({"version":2,"backend":{"type":"localfs","localfs":{"dir":"/b"}},"overlay":{"upper_dir":"/u"}})"),
      "overlay"));
}

TEST_CASE("what is no configuration is refused") {
  for (const auto* text :
       {"", " ", "{", "[]", "null", "7", "{}", "version = 1", "not = [toml", "\xff\xfe", "[[[[[["})
    CHECK_FALSE(refused(text).empty());
  CHECK_FALSE(refused(std::string(100000, '[')).empty());
  CHECK_FALSE(refused("a = " + std::string(100000, '[')).empty());
  CHECK_FALSE(refused(std::string("{\"a\":\0}", 7)).empty());
}

TEST_CASE("a configuration file is read up to 1 MiB") {
  std::string path = "/tmp/nydus-config-XXXXXX";
  REQUIRE(::mkdtemp(path.data()) != nullptr);
  const auto file = path + "/config.json";
  std::ofstream{file} << v1_with("");
  REQUIRE(read_config_file(file));
  CHECK(*read_config_file(file) == v1_with(""));
  std::ofstream{file} << std::string((1 << 20) + 1, ' ');
  CHECK(holds(read_config_file(file).error().detail, file));
  CHECK_FALSE(read_config_file(path));
  CHECK(read_config_file(path + "/none").error().code == errc::not_found);
  std::filesystem::remove_all(path);
}

TEST_CASE("--localfs-dir stands for blobs with their cache beside them") {
  const auto settings = settings_for_directory("/d");
  CHECK(settings == parsed(R"({"device":{"backend":{"type":"localfs","config":{"dir":"/d"}},
    "cache":{"type":"blobcache","config":{"work_dir":"/d"}}},"mode":"direct"})"));
}

TEST_SUITE_END();
