// SPDX-License-Identifier: Apache-2.0
#include "api/api_front.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <variant>

#include "actors/error_code.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "actors/pinned.hpp"
#include "api/backend_fields.hpp"
#include "api/config_value.hpp"
#include "api/event_ring.hpp"
#include "api/inspection.hpp"
#include "api/json_text.hpp"
#include "api/metrics_endpoint.hpp"
#include "api/mount_collection.hpp"
#include "api/mount_endpoint.hpp"
#include "api/refusal.hpp"
#include "storage/blob_backend.hpp"

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::http_call)

namespace nydus {

namespace {

template <class... Cases>
struct overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
overloaded(Cases...) -> overloaded<Cases...>;

class api_front : public pinned_actor {
public:
  using handler = void (api_front::*)(const http_request&, const responder&);
  enum class body_rule : std::uint8_t { none, required };
  struct served {
    const char* method;
    const char* path;
    body_rule body;
    handler handle;
  };

  api_front(caf::actor_config& config, reactor& control, api_parts parts)
      : pinned_actor(config, control, "api_front"), parts_(std::move(parts)),
        metrics_(*this, parts_.supervisor),
        inside_(*this, {parts_.supervisor, parts_.ports, parts_.census, parts_.reactors}) {}

  caf::behavior make_behavior() override {
    return {[this](const http_call& call) { direct(call.request, call.responder); }};
  }

  static const std::array<served, 22>& table();

private:
  // -- answers ---------------------------------------------------------------

  static void show(const responder& to, std::string body) { to->answer({200, std::move(body)}); }
  static void done(const responder& to) { to->answer({204, {}}); }

  void direct(const http_request& request, const responder& to) {
    bool is_path_known = false;
    for (const auto& one : table()) {
      if (request.path != one.path)
        continue;
      is_path_known = true;
      if (request.method != one.method)
        continue;
      if (request.body.empty() != (one.body == body_rule::none))
        break;
      return (this->*one.handle)(request, to);
    }
    to->answer(is_path_known ? refusal(400, "BadRequest") : refusal(404, "NoRoute"));
  }

  /// The value of a query parameter that has to be there; answers 400 if it is not.
  static const std::string* required(const http_request& request, const char* name, const responder& to) {
    const auto found = request.query.find(name);
    if (found != request.query.end())
      return &found->second;
    to->answer(missing_parameter(name));
    return nullptr;
  }

  // -- the daemon ------------------------------------------------------------

  daemon_facts facts() const { return {parts_.id, parts_.supervisor_path, to_string(parts_.state)}; }

  void get_daemon(const http_request&, const responder& to) {
    with_mounts(*this, parts_.supervisor, to, [this, to](const mount_list& mounts) {
      show(to, daemon_text(facts(), collection_.text(mounts)));
    });
  }
  void get_daemon_v2(const http_request&, const responder& to) { show(to, daemon_text(facts(), "null")); }

  void put_daemon(const http_request& request, const responder& to) {
    const auto body = config_value::from_json(request.body);
    if (!body)
      return to->answer(body_refusal(body.error().detail));
    config_reader fields{&*body, ""};
    std::string level;
    fields.read("log_level", level);
    if (!fields.outcome())
      return to->answer(body_refusal(fields.outcome().error().detail));
    if (fields.find("log_level") == nullptr)
      return to->answer(missing_field("log_level"));
    std::transform(level.begin(), level.end(), level.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (!parts_.set_log_level || !parts_.set_log_level(level))
      return to->answer(refusal(500, "Configure(ResponsePayloadType)"));
    done(to);
  }

  void put_start(const http_request&, const responder& to) {
    const auto next = next_state(parts_.state, daemon_event::start);
    if (!next)
      return to->answer(refusal(400, next.error().detail));
    parts_.state = *next;
    done(to);
  }

  void put_exit(const http_request&, const responder& to) {
    const auto next = next_state(parts_.state, daemon_event::exit);
    if (!next)
      return to->answer(refusal(400, next.error().detail));
    parts_.state = *next;
    done(to);
    if (parts_.exit)
      parts_.exit();
  }

  void get_events(const http_request&, const responder& to) { show(to, daemon_events().to_json()); }

  void get_superblock(const http_request& request, const responder& to) {
    const auto* mountpoint = required(request, "mountpoint", to);
    if (mountpoint == nullptr)
      return;
    with_mounts(*this, parts_.supervisor, to,
                [to, wanted = supervisors_name(*mountpoint)](const mount_list& mounts) {
                  for (const auto& mount : mounts.mounts)
                    if (mount->mountpoint == wanted)
                      return show(to, superblock_text(*mount));
                  to->answer(mount_refusal({errc::not_found, "object or filesystem doesn't exist"}));
                });
  }

  // -- mounts ----------------------------------------------------------------

  void change_mounts(const http_request& request, const responder& to) {
    std::visit(overloaded{[&](http_answer refused) {
                            log_line(log_level::warning, "mount refused: " + refused.body);
                            to->answer(std::move(refused));
                          },
                          [&](unmount_image order) {
                            auto gone = supervisors_name(order.mountpoint);
                            carry_out(std::move(order), to, [this, gone] { changed_settings_.erase(gone); });
                          },
                          [&](auto order) { carry_out(std::move(order), to, [] {}); }},
               read_mount_order(request, parts_.default_settings));
  }

  template <class Order, class Then>
  void carry_out(Order order, const responder& to, Then then) {
    request(parts_.supervisor, caf::infinite, std::move(order))
        .then(
            [to, then](const mount_changed&) {
              then();
              done(to);
            },
            [to](const caf::error& error) {
              const auto why = to_failure(error);
              log_line(log_level::warning, "mount refused: " + why.detail);
              to->answer(mount_refusal(why));
            });
  }

  // -- metrics, and a look inside ----------------------------------------------

  void get_metrics(const http_request& request, const responder& to) {
    metrics_.show_file_system(request, to);
  }
  void get_backend_metrics(const http_request& request, const responder& to) {
    metrics_.show_backend(request, to);
  }
  void get_cache_metrics(const http_request& request, const responder& to) {
    metrics_.show_cache(request, to);
  }
  void get_file_metrics(const http_request& request, const responder& to) {
    metrics_.show_files(request, to);
  }
  void get_pattern(const http_request& request, const responder& to) { metrics_.show_pattern(request, to); }

  void get_inflight(const http_request&, const responder& to) { inside_.show_inflight(to); }
  void get_actors(const http_request&, const responder& to) { inside_.show_actors(to); }
  void get_trace(const http_request& request, const responder& to) { inside_.show_trace(request, to); }
  void get_prometheus(const http_request&, const responder& to) { inside_.show_prometheus(to); }

  // -- settings that change while mounted -------------------------------------

  void get_config(const http_request& request, const responder& to) {
    const auto* id = required(request, "id", to);
    if (id == nullptr)
      return;
    const auto found = changed_settings_.find(supervisors_name(*id));
    show(to, text_map_text(found == changed_settings_.end() ? text_map{} : found->second));
  }

  using text_map = std::map<std::string, std::string>;

  void put_config(const http_request& request, const responder& to) {
    const auto* id = required(request, "id", to);
    if (id == nullptr)
      return;
    const auto body = config_value::from_json(request.body);
    if (!body)
      return to->answer(body_refusal(body.error().detail));
    if (body->as_object() == nullptr)
      return to->answer(body_refusal("the body is " + body->describe() + "; an object is right"));
    config_reader fields{&*body, ""};
    text_map changed;
    for (const auto& [key, value] : *body->as_object()) {
      if (key != "registry_auth" && key != "proxy_url" && key != "dragonfly_scheduler_endpoint")
        return to->answer(refusal(500, "Configure(\"unknown key '" + key.substr(0, 80) + "'\")"));
      fields.read(key, changed[key]);
    }
    if (!fields.outcome())
      return to->answer(body_refusal(fields.outcome().error().detail));
    with_mounts(*this, parts_.supervisor, to,
                [this, to, changed, path = supervisors_name(*id)](const mount_list& all) {
                  for (const auto& mount : all.mounts)
                    if (mount->mountpoint == path)
                      return change(*mount, changed, to);
                  to->answer(
                      refusal(500, "Configure(\"nothing is mounted at '" + path.substr(0, 80) + "'\")"));
                });
  }

  /// Keeps what was changed to be shown, and has the backend use it.
  void change(const mount_record& mount, const text_map& changed, const responder& to) {
    const auto auth = changed.find("registry_auth");
    if (auth != changed.end() && mount.settings->backend.kind == "registry") {
      if (!auth->second.empty() && !is_basic_auth(auth->second))
        return to->answer(refusal(500, "Configure(\"registry_auth is not base64 of user:password\")"));
      if (mount.backend)
        mount.backend->set_auth(auth->second);
    }
    for (const auto& [key, text] : changed)
      changed_settings_[mount.mountpoint][key] = text;
    done(to);
  }

  api_parts parts_;
  mount_collection collection_;
  metrics_endpoint metrics_;
  inspection inside_;
  std::map<std::string, text_map> changed_settings_; // by mountpoint
};

const std::array<api_front::served, 22>& api_front::table() {
  static const std::array<served, 22> all{{
      {"GET", "/api/v1/daemon", body_rule::none, &api_front::get_daemon},
      {"PUT", "/api/v1/daemon", body_rule::required, &api_front::put_daemon},
      {"GET", "/api/v2/daemon", body_rule::none, &api_front::get_daemon_v2},
      {"PUT", "/api/v2/daemon", body_rule::required, &api_front::put_daemon},
      {"GET", "/api/v1/daemon/events", body_rule::none, &api_front::get_events},
      {"GET", "/api/v1/daemon/backend", body_rule::none, &api_front::get_superblock},
      {"PUT", "/api/v1/daemon/start", body_rule::none, &api_front::put_start},
      {"PUT", "/api/v1/daemon/exit", body_rule::none, &api_front::put_exit},
      {"POST", "/api/v1/mount", body_rule::required, &api_front::change_mounts},
      {"PUT", "/api/v1/mount", body_rule::required, &api_front::change_mounts},
      {"DELETE", "/api/v1/mount", body_rule::none, &api_front::change_mounts},
      {"GET", "/api/v1/config", body_rule::none, &api_front::get_config},
      {"PUT", "/api/v1/config", body_rule::required, &api_front::put_config},
      {"GET", "/api/v1/metrics", body_rule::none, &api_front::get_metrics},
      {"GET", "/api/v1/metrics/files", body_rule::none, &api_front::get_file_metrics},
      {"GET", "/api/v1/metrics/pattern", body_rule::none, &api_front::get_pattern},
      {"GET", "/api/v1/metrics/backend", body_rule::none, &api_front::get_backend_metrics},
      {"GET", "/api/v1/metrics/blobcache", body_rule::none, &api_front::get_cache_metrics},
      {"GET", "/api/v1/metrics/inflight", body_rule::none, &api_front::get_inflight},
      {"GET", "/api/v1/actors", body_rule::none, &api_front::get_actors},
      {"GET", "/api/v1/trace", body_rule::none, &api_front::get_trace},
      {"GET", "/metrics", body_rule::none, &api_front::get_prometheus},
  }};
  return all;
}

} // namespace

caf::actor spawn_api_front(caf::actor_system& system, reactor& control, api_parts parts) {
  return spawn_pinned<api_front>(system, control, std::move(parts));
}

std::vector<std::string> served_routes() {
  std::vector<std::string> all;
  for (const auto& one : api_front::table())
    all.push_back(std::string{one.method} + " " + one.path);
  return all;
}

} // namespace nydus
