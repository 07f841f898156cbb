// SPDX-License-Identifier: Apache-2.0
#include "api/api_front.hpp"

#include <doctest/doctest.h>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <nlohmann/json.hpp>

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <future>
#include <set>
#include <sstream>
#include <tuple>

#include "actors/error_code.hpp"
#include "actors/message_types.hpp"
#include "actors/reactor.hpp"
#include "api/version.hpp"

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::http_call)

using namespace nydus;
using nlohmann::json;

namespace {

/// An image of which only the description is asked.
class described_image final : public image {
public:
  described_image() {
    for (const auto* id : {"b10b", "b10c"}) {
      blob one;
      one.id = id;
      one.chunk_count = 10;
      blobs_.push_back(one);
    }
    description_.superblock_fields = {{"magic", 0x52414653}, {"version", 0x500}};
  }
  const image_description& description() const noexcept override { return description_; }
  std::span<const blob> blobs() const noexcept override { return blobs_; }
  result<inode_attributes> attributes(inode_number) const override { return none(); }
  result<inode_attributes> lookup(inode_number, std::string_view) const override { return none(); }
  result<inode_number> parent(inode_number) const override { return none(); }
  result<void> list(inode_number, std::uint64_t, const entry_visitor&) const override { return none(); }
  result<std::string_view> symlink_target(inode_number) const override { return none(); }
  result<std::string_view> xattr(inode_number, std::string_view) const override { return none(); }
  result<void> list_xattrs(inode_number, const xattr_visitor&) const override { return none(); }
  result<void> slices(inode_number, std::uint64_t, std::uint64_t, std::vector<chunk_slice>&) const override {
    return none();
  }
  std::vector<inode_number> prefetch_list() const override { return {}; }
  std::optional<inode_number> following(inode_number) const override { return std::nullopt; }
  result<void> verify(inode_number) const override { return none(); }

private:
  static failure none() { return {errc::not_found, "nothing is here"}; }
  image_description description_;
  std::vector<blob> blobs_;
};

/// Stands where mount_supervisor does: keeps mounts by name and answers as mount_messages.hpp says.
caf::behavior fake_supervisor(caf::event_based_actor* self, std::shared_ptr<std::vector<std::string>> asked) {
  auto mounts = std::make_shared<std::map<std::string, std::shared_ptr<const mount_record>>>();
  const auto add = [mounts](const mount_image& wanted) {
    auto record = std::make_shared<mount_record>();
    record->mountpoint = wanted.mountpoint.front() == '/' ? wanted.mountpoint : '/' + wanted.mountpoint;
    record->source = wanted.source;
    record->mounted_at = std::chrono::system_clock::time_point{std::chrono::seconds{1}};
    record->settings = wanted.settings;
    record->contents = std::make_shared<described_image>();
    auto counters = std::make_shared<mount_counters>();
    counters->data_read = 6;
    counters->hits[static_cast<std::size_t>(file_operation::read)] = 1;
    record->counters = counters;
    record->cache = std::make_shared<cache_counters>();
    for (int blob = 0; blob < 2; ++blob) {
      auto backend = std::make_shared<backend_counters>();
      backend->reads = 3;
      auto cache = std::make_shared<cache_counters>();
      cache->prefetched_bytes = 50;
      record->blobs.push_back({nullptr, backend, cache});
    }
    (*mounts)[record->mountpoint] = record;
  };
  const auto missing = [] { return to_error({errc::not_found, "object or filesystem doesn't exist"}); };
  using changed = caf::result<mount_changed>;
  return {
      [=](const mount_image& wanted) -> changed {
        asked->push_back("mount " + wanted.mountpoint + " " + wanted.source);
        if (mounts->contains(wanted.mountpoint))
          return to_error({errc::already_exists, "object or filesystem already exists"});
        if (wanted.settings->backend.kind != "localfs")
          return to_error({errc::not_supported, "this build has no localdisk backend"});
        if (wanted.source == "/no/such")
          return to_error({errc::not_found, "open /no/such: No such file or directory"});
        add(wanted);
        return mount_changed{};
      },
      [=](const remount_image& wanted) -> changed {
        asked->push_back("remount " + wanted.replacement.mountpoint);
        if (!mounts->contains(wanted.replacement.mountpoint))
          return missing();
        add(wanted.replacement);
        return mount_changed{};
      },
      [=](const unmount_image& wanted) -> changed {
        asked->push_back("unmount " + wanted.mountpoint);
        const auto path = wanted.mountpoint.front() == '/' ? wanted.mountpoint : '/' + wanted.mountpoint;
        return mounts->erase(path) != 0 ? changed{mount_changed{}} : changed{missing()};
      },
      [=](const list_mounts&) {
        mount_list all;
        for (const auto& [path, record] : *mounts)
          all.mounts.push_back(record);
        return all;
      },
      [=](const list_file_counters& wanted) -> caf::result<file_counter_list> {
        std::ignore = self;
        file_counter_list files;
        file_counters one;
        one.inode = 82;
        one.reads = 4;
        one.operations = 5;
        one.first_access_seconds = 17;
        files.files = {one, file_counters{7}};
        if (wanted.latest_only)
          files.latest = {82, 87};
        return files;
      },
  };
}

class kept_answer final : public http_responder {
public:
  void answer(http_answer with) override { promise_.set_value(std::move(with)); }
  std::future<http_answer> future() { return promise_.get_future(); }

private:
  std::promise<http_answer> promise_;
};

constexpr auto v1 = R"({"device":{"id":"cfg-1","backend":{"type":"localfs","config":{"dir":"/blobs"}},)"
                    R"("cache":{"type":"blobcache","config":{"work_dir":"/t/cache"}}},"mode":"direct"})";

/// An api_front with a fake supervisor; answers come back as {status, JSON}.
class front_under_test {
public:
  explicit front_under_test(daemon_state state = daemon_state::running) {
    api_parts parts;
    parts.supervisor = system_.spawn(fake_supervisor, asked);
    parts.id = "d1";
    parts.supervisor_path = "/t/sup.sock";
    parts.state = state;
    parts.set_log_level = [this](const std::string& level) {
      log_level_set = level;
      return level == "info" || level == "debug";
    };
    parts.exit = [this] { exits.set_value(); };
    control_.start();
    front_ = spawn_api_front(system_, control_, std::move(parts));
  }
  ~front_under_test() {
    caf::anon_send_exit(front_, caf::exit_reason::user_shutdown);
    caf::scoped_actor {
      system_
      } -> wait_for(front_);
    control_.stop();
  }

  http_answer call(const std::string& method, const std::string& path,
                   std::map<std::string, std::string> query = {}, std::string body = {}) {
    auto answer = std::make_shared<kept_answer>();
    auto future = answer->future();
    caf::anon_send(front_, http_call{{method, path, std::move(query), std::move(body)}, answer});
    REQUIRE(future.wait_for(std::chrono::seconds{10}) == std::future_status::ready);
    return future.get();
  }
  json show(const std::string& path, std::map<std::string, std::string> query = {}) {
    const auto answer = call("GET", path, std::move(query));
    REQUIRE_MESSAGE(answer.status == 200, answer.body);
    return json::parse(answer.body);
  }
  /// "status message"
  std::string refusal_of(const http_answer& answer) {
    const auto body = json::parse(answer.body);
    CHECK(body["code"] == "UNDEFINED");
    CHECK(body.size() == 2);
    return std::to_string(answer.status) + " " + body["message"].get<std::string>();
  }
  int mount(const std::string& mountpoint, const std::string& source = "/i.boot") {
    return call("POST", "/api/v1/mount", {{"mountpoint", mountpoint}}, body_of(source)).status;
  }
  static std::string body_of(const std::string& source, const std::string& fs_type = "rafs",
                             const std::string& config = v1) {
    return json{{"source", source}, {"fs_type", fs_type}, {"config", config}}.dump();
  }

  std::shared_ptr<std::vector<std::string>> asked = std::make_shared<std::vector<std::string>>();
  std::string log_level_set;
  std::promise<void> exits;

private:
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  reactor control_{system_, "control", -1};
  caf::actor front_;
};

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::set<std::string> keys_of(const json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items())
    keys.insert(key);
  return keys;
}

} // namespace

TEST_SUITE_BEGIN("api/api_front");

TEST_CASE("the daemon is shown with version, state and mounts") {
  front_under_test front;
  auto shown = front.show("/api/v1/daemon");
  CHECK(keys_of(shown["version"]) ==
        std::set<std::string>{"package_ver", "git_commit", "build_time", "profile", "rustc"});
  CHECK(shown["version"]["git_commit"] == version().commit);
  CHECK(shown["id"] == "d1");
  CHECK(shown["supervisor"] == "/t/sup.sock");
  CHECK(shown["state"] == "RUNNING");
  CHECK(shown["backend_collection"] == json::object());
  CHECK(front.show("/api/v2/daemon")["backend_collection"] == nullptr);
  REQUIRE(front.mount("/a/b") == 204);
  shown = front.show("/api/v1/daemon")["backend_collection"]["/a/b"];
  CHECK(shown["backend_type"] == "Rafs");
  CHECK(shown["mountpoint"] == "/a/b");
  CHECK(shown["mounted_time"] == "1970-01-01 00:00:01.000000000 +00:00:00");
  const auto config = shown["config"];
  CHECK(config["version"] == 2);
  CHECK(config["id"] == "cfg-1");
  CHECK(config["backend"]["localfs"] == json::parse(R"({"blob_file":"","dir":"/blobs","alt_dirs":[]})"));
  CHECK(keys_of(config["backend"]) ==
        std::set<std::string>{"type", "localdisk", "localfs", "oss", "s3", "registry", "http-proxy"});
  CHECK(config["external_backends"] == json::array());
  CHECK(config["cache"]["type"] == "blobcache");
  CHECK(config["cache"]["filecache"]["work_dir"] == "/t/cache");
  CHECK(config["cache"]["fscache"] == nullptr);
  CHECK(config["rafs"]["mode"] == "direct");
  CHECK(keys_of(config["rafs"]["prefetch"]) == std::set<std::string>{"enable", "threads", "batch_size",
                                                                     "bandwidth_limit", "prefetch_all",
                                                                     "stream_prefetch"});
  CHECK(config["overlay"] == nullptr);
}

TEST_CASE("mounts come, change and go with the statuses of the transcript") {
  front_under_test front;
  const auto body = front.body_of("/i.boot");
  CHECK(front.mount("/a/b") == 204);
  CHECK(front.refusal_of(front.call("POST", "/api/v1/mount", {{"mountpoint", "/a/b"}}, body)) ==
        "500 Mount(MountFilesystem(Other(\"object or filesystem already exists\")))");
  CHECK(front.call("PUT", "/api/v1/mount", {{"mountpoint", "/a/b"}}, body).status == 204);
  CHECK(front.call("DELETE", "/api/v1/mount", {{"mountpoint", "/a/b"}}).status == 204);
  for (const auto* method : {"DELETE", "PUT"})
    CHECK(front.refusal_of(front.call(method, "/api/v1/mount", {{"mountpoint", "/a/b"}},
                                      std::string{method} == "PUT" ? body : "")) ==
          "500 Mount(MountFilesystem(Other(\"object or filesystem doesn't exist\")))");
  CHECK(*front.asked == std::vector<std::string>{"mount /a/b /i.boot", "mount /a/b /i.boot", "remount /a/b",
                                                 "unmount /a/b", "unmount /a/b", "remount /a/b"});
}

TEST_CASE("odd mounts are refused with a reason") {
  front_under_test front;
  const auto post = [&](std::map<std::string, std::string> query, const std::string& body) {
    return front.refusal_of(front.call("POST", "/api/v1/mount", std::move(query), body));
  };
  const std::map<std::string, std::string> at{{"mountpoint", "/x"}};
  CHECK(post({}, front.body_of("/i")) ==
        "400 QueryString(\"'mountpoint' should be specified in query string\")");
  CHECK(holds(post(at, "not json"), "400 ParseBody(Error(\""));
  CHECK(holds(post(at, "[]"), "400 ParseBody(Error(\""));
  CHECK(holds(post(at, R"({"log_level":"loud"})"), "400 ParseBody(Error(\"missing field `source`"));
  CHECK(holds(post(at, R"({"source":"/i","fs_type":"rafs"})"), "missing field `config`"));
  CHECK(holds(post(at, R"({"source":7,"config":""})"), "400 ParseBody(Error(\"source is number 7"));
  CHECK(holds(post({{"mountpoint", "rel"}}, front.body_of("/i")), "500 Mount(MountFilesystem(Other(\""));
  CHECK(holds(post(at, front.body_of("/no/such")), "500 Mount(MountFilesystem(Other(\"open /no/such"));
  CHECK(holds(post(at, front.body_of("/i", "zfs")),
              "500 Mount(MountFilesystem(Other(\"invalid argument `only "
              "'rafs' and 'passthrough_fs' are supported, but zfs"));
  CHECK(holds(post(at, front.body_of("/i", "passthrough_fs", "")), "501 "));
  CHECK(holds(post(at, front.body_of("/i", "rafs", "{}")),
              "500 Mount(MountFilesystem(Other(\"RAFS failed to handle request, Failed to load config: "));
  CHECK(holds(post(at, front.body_of("", "rafs")), "source is empty"));
  CHECK(holds(post(at, R"({"source":"/i","config":"","prefetch_files":"/"})"), "prefetch_files"));
  CHECK(holds(post(at, json{{"source", "/i"}, {"config", v1}, {"prefetch_files", {"rel"}}}.dump()), "'rel'"));
  CHECK(holds(
      post(at, front.body_of("/i", "rafs",
                             R"({"device":{"backend":{"type":"localdisk","config":{}}},"mode":"direct"})")),
      "501 "));
  CHECK(front.show("/api/v1/daemon")["backend_collection"].empty());
}

TEST_CASE("the form of 2020 is told from today's by its query") {
  front_under_test front;
  const auto put = [&](const json& body) { return front.call("PUT", "/api/v1/mount", {}, body.dump()); };
  CHECK(put({{"source", "/i"}, {"fstype", "rafs"}, {"mountpoint", "pseudo_1"}, {"config", v1}}).status ==
        204);
  CHECK(front.show("/api/v1/daemon")["backend_collection"].contains("/pseudo_1"));
  CHECK(put({{"mountpoint", "pseudo_1"}, {"ops", "umount"}}).status == 204);
  std::string file = "/tmp/nydus-config-XXXXXX";
  REQUIRE(::close(::mkstemp(file.data())) == 0);
  std::ofstream{file} << v1;
  CHECK(put({{"source", "/i"}, {"mountpoint", "/two"}, {"config", file}, {"ops", "mount"}}).status == 204);
  CHECK(put({{"source", "/j"}, {"mountpoint", "/two"}, {"config", file}, {"ops", "update"}}).status == 204);
  ::unlink(file.c_str());
  CHECK(holds(front.refusal_of(put({{"source", "/i"}, {"mountpoint", "/3"}, {"config", file}})), file));
  CHECK(holds(front.refusal_of(put({{"source", "/i"}, {"mountpoint", "/3"}})), "without --config"));
  CHECK(holds(front.refusal_of(put({{"source", "/i"}, {"mountpoint", "/3"}, {"ops", "turn"}})),
              "500 Invalid op"));
  CHECK(front.refusal_of(put({{"source", "/i"}})).substr(0, 4) == "400 ");
}

TEST_CASE("unknown paths, methods and bodies are refused as the public daemon does") {
  front_under_test front;
  CHECK(front.refusal_of(front.call("GET", "/api/v1/nothing")) == "404 NoRoute");
  CHECK(front.refusal_of(front.call("GET", "/api/v1/daemon/")) == "404 NoRoute");
  CHECK(front.refusal_of(front.call("PATCH", "/api/v1/daemon")) == "400 BadRequest");
  CHECK(front.refusal_of(front.call("GET", "/api/v1/daemon", {}, "{}")) == "400 BadRequest");
  CHECK(front.refusal_of(front.call("PUT", "/api/v1/daemon")) == "400 BadRequest");
  CHECK(front.refusal_of(front.call("PUT", "/api/v1/daemon/start", {}, "{}")) == "400 BadRequest");
  CHECK(front.refusal_of(front.call("POST", "/api/v1/mount", {{"mountpoint", "/x"}})) == "400 BadRequest");
}

TEST_CASE("the log level is changed, a wrong one is refused") {
  front_under_test front;
  CHECK(front.call("PUT", "/api/v1/daemon", {}, R"({"log_level":"INFO"})").status == 204);
  CHECK(front.log_level_set == "info");
  CHECK(front.call("PUT", "/api/v2/daemon", {}, R"({"log_level":"debug"})").status == 204);
  CHECK(holds(front.refusal_of(front.call("PUT", "/api/v1/daemon", {}, R"({"log_level":"loud"})")),
              "500 Configure(ResponsePayloadType"));
  CHECK(holds(front.refusal_of(front.call("PUT", "/api/v1/daemon", {}, "{}")),
              "400 ParseBody(Error(\"missing field `log_level`"));
}

TEST_CASE("states change in their order alone") {
  {
    front_under_test front;
    CHECK(front.refusal_of(front.call("PUT", "/api/v1/daemon/start")) ==
          "400 Configure(DaemonAbnormal(UnexpectedEvent(\"Start\")))");
    CHECK(front.call("PUT", "/api/v1/daemon/exit").status == 204);
    CHECK(front.exits.get_future().wait_for(std::chrono::seconds{10}) == std::future_status::ready);
    CHECK(front.show("/api/v2/daemon")["state"] == "STOPPED");
  }
  front_under_test front{daemon_state::ready};
  CHECK(front.call("PUT", "/api/v1/daemon/start").status == 204);
  CHECK(front.show("/api/v1/daemon")["state"] == "RUNNING");
}

TEST_CASE("metrics are found by mountpoint, caches also by configuration id, one alone without") {
  front_under_test front;
  const std::vector<std::pair<std::string, std::string>> kinds{
      {"/api/v1/metrics", "GlobalMetrics"},
      {"/api/v1/metrics/backend", "BackendMetrics"},
      {"/api/v1/metrics/blobcache", "BlobcacheMetrics"},
      {"/api/v1/metrics/pattern", "Pattern"}};
  const auto check_missing = [&](std::map<std::string, std::string> query) {
    for (const auto& [path, kind] : kinds)
      CHECK(front.refusal_of(front.call("GET", path, query)) ==
            "404 " + kind + "(Metrics(Stats(NoCounter)))");
  };
  check_missing({});
  REQUIRE(front.mount("/a/b") == 204);
  check_missing({{"id", "poison"}});
  for (const auto& [path, kind] : kinds) {
    CHECK(front.call("GET", path).status == 200);
    CHECK(front.call("GET", path, {{"id", "/a/b"}}).status == 200);
  }
  CHECK(front.call("GET", "/api/v1/metrics/blobcache", {{"id", "cfg-1"}}).status == 200);
  CHECK(front.call("GET", "/api/v1/metrics", {{"id", "cfg-1"}}).status == 404);
  REQUIRE(front.mount("/c") == 204);
  check_missing({});
}

TEST_CASE("metrics have the fields that clients decode") {
  front_under_test front;
  REQUIRE(front.mount("/a") == 204);
  const auto fs = front.show("/api/v1/metrics");
  CHECK(keys_of(fs) == std::set<std::string>{"files_account_enabled", "access_pattern_enabled",
                                             "record_latest_read_files_enabled", "measure_latency", "id",
                                             "nr_opens", "data_read", "block_count_read", "fop_hits",
                                             "fop_errors", "fop_cumulative_latency_total",
                                             "read_latency_dist"});
  CHECK(fs["id"] == "/a");
  CHECK(fs["data_read"] == 6);
  CHECK(fs["fop_hits"][4] == 1);
  CHECK(fs["fop_hits"].size() == 15);
  CHECK(fs["block_count_read"].size() == 8);
  const auto backend = front.show("/api/v1/metrics/backend");
  CHECK(keys_of(backend) == std::set<std::string>{"backend_type", "read_count", "read_errors",
                                                  "read_amount_total", "read_cumulative_latency_millis_total",
                                                  "read_cumulative_latency_millis_dist",
                                                  "read_count_block_size_dist", "read_latency_sizes_dist"});
  CHECK(backend["read_count"] == 6); // of both blobs
  CHECK(backend["read_latency_sizes_dist"].size() == 8);
  CHECK(backend["read_latency_sizes_dist"][0].size() == 8);
  const auto cache = front.show("/api/v1/metrics/blobcache");
  CHECK(keys_of(cache) ==
        std::set<std::string>{
            "underlying_files", "store_path", "partial_hits", "whole_hits", "total", "entries_count",
            "prefetch_data_amount", "prefetch_requests_count", "prefetch_workers", "prefetch_unmerged_chunks",
            "prefetch_cumulative_time_millis", "prefetch_begin_time_secs", "prefetch_begin_time_millis",
            "prefetch_end_time_secs", "prefetch_end_time_millis", "buffered_backend_size", "data_all_ready"});
  CHECK(cache["underlying_files"] == json{"b10b.blob.data", "b10c.blob.data"});
  CHECK(cache["prefetch_data_amount"] == 100);
  CHECK(cache["store_path"] == "/t/cache");
  CHECK(front.show("/api/v1/metrics/pattern") ==
        json::parse(R"([{"ino":82,"nr_read":4,"first_access_time_secs":17,"first_access_time_nanos":0}])"));
  const auto files = front.show("/api/v1/metrics/files");
  CHECK(keys_of(files["82"]) ==
        std::set<std::string>{"total_fops", "data_read", "block_count_read", "fop_hits", "fop_errors"});
  CHECK(front.show("/api/v1/metrics/files", {{"latest", "true"}}) == json::parse("[[82],[87]]"));
  CHECK(front.call("GET", "/api/v1/metrics/inflight").status == 204);
  CHECK(keys_of(front.show("/api/v1/daemon/events")) ==
        std::set<std::string>{"max_errors", "total_errors", "max_size", "total_size", "errors"});
  const auto superblock = front.show("/api/v1/daemon/backend", {{"mountpoint", "/a"}});
  CHECK(superblock["magic"] == 0x52414653);
  CHECK(front.call("GET", "/api/v1/daemon/backend", {{"mountpoint", "/b"}}).status == 500);
  CHECK(front.call("GET", "/api/v1/daemon/backend").status == 400);
}

TEST_CASE("settings are kept per mount until it is unmounted") {
  front_under_test front;
  const std::map<std::string, std::string> id{{"id", "/a"}};
  CHECK(front.call("PUT", "/api/v1/config", id, R"({"registry_auth":"x"})").status == 500); // nothing there
  REQUIRE(front.mount("/a") == 204);
  CHECK(front.show("/api/v1/config", id) == json::object());
  CHECK(front.call("PUT", "/api/v1/config", id, R"({"registry_auth":"dGVzdDp0ZXN0"})").status == 204);
  CHECK(front.show("/api/v1/config", id) == json{{"registry_auth", "dGVzdDp0ZXN0"}});
  CHECK(front.call("PUT", "/api/v1/config", id, R"({"registry_auth":"b2s=","proxy_url":"u"})").status == 204);
  CHECK(front.show("/api/v1/config", id) == json{{"registry_auth", "b2s="}, {"proxy_url", "u"}});
  CHECK(front.call("PUT", "/api/v1/config", id, R"({"colour":"red"})").status == 500);
  CHECK(front.call("PUT", "/api/v1/config", id, R"({"proxy_url":7})").status == 400);
  CHECK(front.call("PUT", "/api/v1/config", {}, R"({})").status == 400);
  CHECK(front.show("/api/v1/config", id)["proxy_url"] == "u");
  CHECK(front.call("DELETE", "/api/v1/mount", {{"mountpoint", "/a"}}).status == 204);
  CHECK(front.show("/api/v1/config", id) == json::object());
}

TEST_CASE("openapi.yaml and the routes say the same") {
  const char* description = std::getenv("NYDUS_OPENAPI"); // set by meson
  if (description == nullptr) {
    MESSAGE("skipped: NYDUS_OPENAPI does not name api/openapi.yaml");
    return;
  }
  std::ifstream file{description};
  REQUIRE(file);
  std::set<std::string> described;
  std::string path;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("  /", 0) == 0)
      path = line.substr(2, line.find(':') - 2);
    for (const auto* method : {"get", "put", "post", "delete", "patch"})
      if (line == "    " + std::string{method} + ":") {
        std::string upper{method};
        for (auto& c : upper)
          c = static_cast<char>(std::toupper(c));
        described.insert(upper + " " + path);
      }
  }
  const auto routes = served_routes();
  CHECK(described == std::set<std::string>{routes.begin(), routes.end()});
  CHECK(described.size() == routes.size());
}

TEST_SUITE_END();
