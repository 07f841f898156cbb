// SPDX-License-Identifier: Apache-2.0
#include "api/api_front.hpp"

#include <caf/event_based_actor.hpp>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "actors/error_code.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "actors/route_table.hpp"
#include "api/config_value.hpp"
#include "api/daemon_config.hpp"

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::http_call)

namespace nydus {

namespace {

using responder = std::shared_ptr<http_responder>;

std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

/// The words that the public daemon puts around a failed mount.
std::string mount_words(const std::string& detail) {
  return "Mount(MountFilesystem(Other(" + quoted(detail) + ")))";
}

class api_front : public caf::event_based_actor {
public:
  using handler = void (api_front::*)(const http_request&, const responder&);
  struct served {
    const char* method;
    const char* path;
    handler handle;
  };

  api_front(caf::actor_config& config, api_parts parts)
      : caf::event_based_actor(config), parts_(std::move(parts)) {}

  const char* name() const override { return "api_front"; }

  caf::behavior make_behavior() override {
    return {[this](const http_call& call) { direct(call.request, call.responder); }};
  }

  static const std::array<served, 19>& table();

private:
  // -- answers ---------------------------------------------------------------

  static void refuse(const responder& to, int status, const std::string& message) {
    to->answer({status, error_text(message)});
  }
  static void show(const responder& to, std::string body) { to->answer({200, std::move(body)}); }
  static void done(const responder& to) { to->answer({204, {}}); }

  void direct(const http_request& request, const responder& to) {
    bool is_path_known = false;
    for (const auto& one : table()) {
      if (request.path != one.path)
        continue;
      is_path_known = true;
      if (request.method == one.method)
        return (this->*one.handle)(request, to);
    }
    if (is_path_known)
      return refuse(to, 400, "BadRequest");
    refuse(to, 404, "NoRoute");
  }

  /// The value of a query parameter that has to be there; answers 400 if it is not.
  static const std::string* required(const http_request& request, const char* name, const responder& to) {
    const auto found = request.query.find(name);
    if (found != request.query.end())
      return &found->second;
    refuse(to, 400, "QueryString(\"'" + std::string{name} + "' should be specified in query string\")");
    return nullptr;
  }

  static result<config_value> parse_body(const http_request& request) {
    auto body = config_value::from_json(request.body);
    if (!body)
      return failure{errc::malformed,
                     "ParseBody(Error(" + quoted(body.error().detail) + ", line: 1, column: 1))"};
    if (body->as_object() == nullptr)
      return failure{errc::malformed, "ParseBody(Error(\"the body is " + body->describe() +
                                          ", an object is right\", line: 1, column: 1))"};
    return body;
  }

  static std::string missing_field(const char* field) {
    return std::string{"ParseBody(Error(\"missing field `"} + field + "`\", line: 1, column: 1))";
  }

  // -- the daemon ------------------------------------------------------------

  daemon_facts facts() const { return {parts_.id, parts_.supervisor_path, to_string(parts_.state)}; }

  void get_daemon(const http_request&, const responder& to) {
    with_mounts(to, [this, to](const mount_list& mounts) { show(to, daemon_text(facts(), &mounts)); });
  }
  void get_daemon_v2(const http_request&, const responder& to) { show(to, daemon_text(facts(), nullptr)); }

  void put_daemon(const http_request& request, const responder& to) {
    const auto body = parse_body(request);
    if (!body)
      return refuse(to, 400, body.error().detail);
    config_reader fields{&*body, ""};
    std::string level;
    fields.read("log_level", level);
    if (!fields.outcome())
      return refuse(to, 400,
                    "ParseBody(Error(" + quoted(fields.outcome().error().detail) + ", line: 1, column: 1))");
    if (level.empty())
      return refuse(to, 400, missing_field("log_level"));
    std::transform(level.begin(), level.end(), level.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (!parts_.set_log_level || !parts_.set_log_level(level))
      return refuse(to, 500, "Configure(ResponsePayloadType)");
    done(to);
  }

  void put_start(const http_request&, const responder& to) {
    const auto next = next_state(parts_.state, daemon_event::start);
    if (!next)
      return refuse(to, 400, next.error().detail);
    parts_.state = *next;
    done(to);
  }

  void put_exit(const http_request&, const responder& to) {
    const auto next = next_state(parts_.state, daemon_event::exit);
    if (!next)
      return refuse(to, 400, next.error().detail);
    parts_.state = *next;
    done(to);
    if (parts_.exit)
      parts_.exit();
  }

  void get_events(const http_request&, const responder& to) {
    show(to, R"({"max_errors":500,"total_errors":0,"max_size":51200,"total_size":0,"errors":[]})");
  }

  void get_superblock(const http_request& request, const responder& to) {
    const auto* mountpoint = required(request, "mountpoint", to);
    if (mountpoint == nullptr)
      return;
    with_mounts(to, [to, wanted = *mountpoint](const mount_list& mounts) {
      for (const auto& mount : mounts.mounts)
        if (mount->mountpoint == wanted)
          return show(to, superblock_text(*mount));
      refuse(to, 500, mount_words("object or filesystem doesn't exist"));
    });
  }

  // -- mounts ----------------------------------------------------------------

  void post_mount(const http_request& request, const responder& to) {
    if (const auto* mountpoint = required(request, "mountpoint", to))
      mount(request, *mountpoint, false, to);
  }

  void put_mount(const http_request& request, const responder& to) {
    const auto found = request.query.find("mountpoint");
    if (found != request.query.end())
      return mount(request, found->second, true, to);
    put_mount_of_2020(request, to);
  }

  void mount(const http_request& request, const std::string& mountpoint, bool is_remount,
             const responder& to) {
    const auto body = parse_body(request);
    if (!body)
      return refuse(to, 400, body.error().detail);
    config_reader fields{&*body, ""};
    mount_image wanted;
    std::string fs_type, config;
    fields.read("source", wanted.source);
    fields.read("fs_type", fs_type);
    fields.read("config", config);
    fields.read("prefetch_files", wanted.prefetch_files);
    if (!fields.outcome())
      return refuse(to, 400,
                    "ParseBody(Error(" + quoted(fields.outcome().error().detail) + ", line: 1, column: 1))");
    for (const auto* field : {"source", "config"})
      if (fields.find(field) == nullptr)
        return refuse(to, 400, missing_field(field));
    if (mountpoint.empty() || mountpoint.front() != '/')
      return refuse(to, 500,
                    mount_words("mountpoint '" + mountpoint + "' does not start with '/': Invalid argument"));
    wanted.mountpoint = mountpoint;
    carry_out(std::move(wanted), fs_type, config, is_remount, to);
  }

  /// The first API: everything in the body, the operation too (contract 3.5).
  void put_mount_of_2020(const http_request& request, const responder& to) {
    const auto body = parse_body(request);
    if (!body)
      return refuse(to, 400, body.error().detail);
    config_reader fields{&*body, ""};
    mount_image wanted;
    std::string fs_type = "rafs", config, operation = "mount";
    fields.read("mountpoint", wanted.mountpoint);
    fields.read("source", wanted.source);
    fields.read("fstype", fs_type);
    fields.read("config", config);
    fields.read("ops", operation);
    if (!fields.outcome())
      return refuse(to, 400,
                    "ParseBody(Error(" + quoted(fields.outcome().error().detail) + ", line: 1, column: 1))");
    if (wanted.mountpoint.empty())
      return refuse(to, 400, "QueryString(\"'mountpoint' should be specified in query string\")");
    if (operation == "umount")
      return unmount(wanted.mountpoint, to);
    if (operation != "mount" && operation != "update")
      return refuse(to, 500, "Invalid op '" + operation + "'; mount, umount or update is right");
    if (config.empty()) {
      config = parts_.default_config;
    } else if (config[config.find_first_not_of(" \t\r\n") == std::string::npos
                          ? 0
                          : config.find_first_not_of(" \t\r\n")] != '{') {
      auto text = read_config_file(config);
      if (!text)
        return refuse(to, 500, mount_words(text.error().detail));
      config = *text;
    }
    carry_out(std::move(wanted), fs_type, config, operation == "update", to);
  }

  void carry_out(mount_image wanted, const std::string& fs_type, const std::string& config, bool is_remount,
                 const responder& to) {
    if (fs_type != "rafs")
      return refuse(to, 500,
                    mount_words("invalid argument `only 'rafs' is supported by this build, but " + fs_type +
                                " was specified`"));
    auto settings = parse_config(config);
    if (!settings)
      return refuse(
          to, 500,
          mount_words("RAFS failed to handle request, Failed to load config: " + settings.error().detail));
    wanted.settings = std::make_shared<const mount_settings>(std::move(*settings));
    const auto failed = [to](const caf::error& error) {
      const auto why = to_failure(error);
      const auto status =
          why.code == errc::malformed || why.code == errc::not_found ? 500 : to_http_status(why.code);
      log_line(log_level::warning, "mount refused: " + why.detail);
      refuse(to, status, mount_words(why.detail));
    };
    if (is_remount)
      request(parts_.supervisor, caf::infinite, remount_image{std::move(wanted)})
          .then([to](const mount_changed&) { done(to); }, failed);
    else
      request(parts_.supervisor, caf::infinite, std::move(wanted))
          .then([to](const mount_changed&) { done(to); }, failed);
  }

  void delete_mount(const http_request& request, const responder& to) {
    if (const auto* mountpoint = required(request, "mountpoint", to))
      unmount(*mountpoint, to);
  }

  void unmount(const std::string& mountpoint, const responder& to) {
    request(parts_.supervisor, caf::infinite, unmount_image{mountpoint})
        .then([to](const mount_changed&) { done(to); },
              [to](const caf::error& why) { refuse(to, 500, mount_words(to_failure(why).detail)); });
  }

  // -- metrics ---------------------------------------------------------------

  template <class Use>
  void with_mounts(const responder& to, Use use) {
    request(parts_.supervisor, caf::infinite, list_mounts{}).then(use, [to](const caf::error& why) {
      refuse(to, 500, to_failure(why).detail);
    });
  }

  /// The mount that ?id= names, or the only one; else 404 in the words of `kind`.
  template <class Use>
  void with_counters(const http_request& request, const responder& to, const char* kind,
                     bool also_by_config_id, Use use) {
    const auto id = request.query.find("id");
    const auto wanted = id == request.query.end() ? std::string{} : id->second;
    const bool is_named = id != request.query.end();
    with_mounts(to, [=](const mount_list& all) {
      if (!is_named && all.mounts.size() == 1)
        return use(*all.mounts.front());
      if (is_named)
        for (const auto& mount : all.mounts)
          if (mount->mountpoint == wanted || (also_by_config_id && mount->settings->id == wanted))
            return use(*mount);
      refuse(to, 404, std::string{kind} + "(Metrics(Stats(NoCounter)))");
    });
  }

  void get_metrics(const http_request& request, const responder& to) {
    with_counters(request, to, "GlobalMetrics", false,
                  [to](const mount_record& m) { show(to, fs_metrics_text(m)); });
  }
  void get_backend_metrics(const http_request& request, const responder& to) {
    with_counters(request, to, "BackendMetrics", false,
                  [to](const mount_record& m) { show(to, backend_metrics_text(m)); });
  }
  void get_cache_metrics(const http_request& request, const responder& to) {
    with_counters(request, to, "BlobcacheMetrics", true,
                  [to](const mount_record& m) { show(to, cache_metrics_text(m)); });
  }

  template <class Show>
  void with_files(const http_request& request, const responder& to, const char* kind, bool latest,
                  Show text) {
    with_counters(request, to, kind, false, [=, this](const mount_record& mount) {
      this->request(parts_.supervisor, caf::infinite, list_file_counters{mount.mountpoint, latest})
          .then([to, text](const file_counter_list& files) { show(to, text(files)); },
                [to](const caf::error& why) { refuse(to, 500, to_failure(why).detail); });
    });
  }
  void get_file_metrics(const http_request& request, const responder& to) {
    const auto latest = request.query.find("latest");
    const bool wants_latest = latest != request.query.end() && latest->second == "true";
    with_files(request, to, "FilesMetrics", wants_latest,
               wants_latest ? latest_files_text : file_metrics_text);
  }
  void get_pattern(const http_request& request, const responder& to) {
    with_files(request, to, "Pattern", false, pattern_text);
  }

  void get_inflight(const http_request&, const responder& to) {
    auto all = std::make_shared<inflight_list>();
    auto missing = std::make_shared<std::size_t>(parts_.ports.size());
    if (*missing == 0)
      return done(to);
    const auto one_less = [=] {
      if (--*missing != 0)
        return;
      if (all->requests.empty())
        return done(to);
      show(to, inflight_text(*all));
    };
    for (const auto& port : parts_.ports)
      request(port, caf::infinite, list_inflight{})
          .then(
              [=](const inflight_list& some) {
                all->requests.insert(all->requests.end(), some.requests.begin(), some.requests.end());
                one_less();
              },
              [=](const caf::error&) { one_less(); });
  }

  // -- settings that change while mounted -------------------------------------

  void get_config(const http_request& request, const responder& to) {
    if (const auto* id = required(request, "id", to))
      show(to, text_map_text(changed_settings_[*id]));
  }

  void put_config(const http_request& request, const responder& to) {
    const auto* id = required(request, "id", to);
    if (id == nullptr)
      return;
    const auto body = parse_body(request);
    if (!body)
      return refuse(to, 400, body.error().detail);
    auto& settings = changed_settings_[*id];
    auto changed = settings;
    for (const auto& [key, value] : *body->as_object()) {
      const auto* text = std::get_if<std::string>(&value.value());
      if (key != "registry_auth" && key != "proxy_url" && key != "dragonfly_scheduler_endpoint")
        return refuse(to, 500, "Configure(\"unknown key '" + key + "'\")");
      if (text == nullptr)
        return refuse(to, 400, "ParseBody(Error(\"" + key + " is no string\", line: 1, column: 1))");
      changed[key] = *text;
    }
    settings = std::move(changed);
    done(to);
  }

  api_parts parts_;
  std::map<std::string, std::map<std::string, std::string>> changed_settings_; // by mountpoint
};

const std::array<api_front::served, 19>& api_front::table() {
  static const std::array<served, 19> all{{
      {"GET", "/api/v1/daemon", &api_front::get_daemon},
      {"PUT", "/api/v1/daemon", &api_front::put_daemon},
      {"GET", "/api/v2/daemon", &api_front::get_daemon_v2},
      {"PUT", "/api/v2/daemon", &api_front::put_daemon},
      {"GET", "/api/v1/daemon/events", &api_front::get_events},
      {"GET", "/api/v1/daemon/backend", &api_front::get_superblock},
      {"PUT", "/api/v1/daemon/start", &api_front::put_start},
      {"PUT", "/api/v1/daemon/exit", &api_front::put_exit},
      {"POST", "/api/v1/mount", &api_front::post_mount},
      {"PUT", "/api/v1/mount", &api_front::put_mount},
      {"DELETE", "/api/v1/mount", &api_front::delete_mount},
      {"GET", "/api/v1/config", &api_front::get_config},
      {"PUT", "/api/v1/config", &api_front::put_config},
      {"GET", "/api/v1/metrics", &api_front::get_metrics},
      {"GET", "/api/v1/metrics/files", &api_front::get_file_metrics},
      {"GET", "/api/v1/metrics/pattern", &api_front::get_pattern},
      {"GET", "/api/v1/metrics/backend", &api_front::get_backend_metrics},
      {"GET", "/api/v1/metrics/blobcache", &api_front::get_cache_metrics},
      {"GET", "/api/v1/metrics/inflight", &api_front::get_inflight},
  }};
  return all;
}

} // namespace

caf::actor spawn_api_front(caf::actor_system& system, api_parts parts) {
  return system.spawn<api_front>(std::move(parts));
}

std::vector<std::string> served_routes() {
  std::vector<std::string> all;
  for (const auto& one : api_front::table())
    all.push_back(std::string{one.method} + " " + one.path);
  return all;
}

} // namespace nydus
