// SPDX-License-Identifier: Apache-2.0
#include "api/api_front.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <variant>

#include "actors/error_code.hpp"
#include "actors/fs_request.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "actors/observed_actor.hpp"
#include "actors/route_table.hpp"
#include "actors/trace_ring.hpp"
#include "api/actors_text.hpp"
#include "api/config_value.hpp"
#include "api/event_ring.hpp"
#include "api/json_text.hpp"
#include "api/mount_endpoint.hpp"
#include "api/prometheus_text.hpp"
#include "api/refusal.hpp"
#include "api/trace_filter.hpp"
#include "api/trace_text.hpp"

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::http_call)

namespace nydus {

namespace {

using responder = std::shared_ptr<http_responder>;

template <class... Cases>
struct overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
overloaded(Cases...) -> overloaded<Cases...>;

/// "/a/b" for "a//b/": how the supervisor calls it. What is no mountpoint names none.
std::string normal(const std::string& mountpoint) {
  auto path = normalize_mountpoint(mountpoint);
  return path ? *std::move(path) : std::string{};
}

class api_front : public observed_actor {
public:
  using handler = void (api_front::*)(const http_request&, const responder&);
  enum class body_rule : std::uint8_t { none, required };
  struct served {
    const char* method;
    const char* path;
    body_rule body;
    handler handle;
  };

  api_front(caf::actor_config& config, api_parts parts)
      : observed_actor(config, "api_front", ""), parts_(std::move(parts)) {}

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
    with_mounts(to, [this, to](const mount_list& mounts) { show(to, daemon_text(facts(), &mounts)); });
  }
  void get_daemon_v2(const http_request&, const responder& to) { show(to, daemon_text(facts(), nullptr)); }

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
    with_mounts(to, [to, wanted = normal(*mountpoint)](const mount_list& mounts) {
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
                            auto gone = normal(order.mountpoint);
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

  // -- metrics ---------------------------------------------------------------

  template <class Use>
  void with_mounts(const responder& to, Use use) {
    request(parts_.supervisor, caf::infinite, list_mounts{}).then(use, [to](const caf::error& why) {
      to->answer(refusal(500, to_failure(why).detail));
    });
  }

  using has_counters = bool (*)(const mount_record&);
  static bool has_any(const mount_record&) { return true; }
  static bool has_cache(const mount_record& mount) {
    return mount.settings->cache.kind != cache_config::placement::none;
  }

  /// The mount that ?id= names, or the only one with such counters; else 404 in the words of `kind`.
  /// Caches are also known by the id of their configuration.
  template <class Use>
  void with_counters(const http_request& request, const responder& to, const char* kind, has_counters has,
                     Use use) {
    const auto id = request.query.find("id");
    const bool is_named = id != request.query.end();
    const auto wanted = is_named ? id->second : std::string{};
    with_mounts(to, [=, path = normal(wanted)](const mount_list& all) {
      const mount_record* found = nullptr;
      std::size_t matches = 0;
      for (const auto& mount : all.mounts) {
        if (!has(*mount))
          continue;
        if (is_named && mount->mountpoint == path)
          return use(*mount);
        if (!is_named || (has == has_cache && !wanted.empty() && mount->settings->id == wanted)) {
          found = mount.get();
          ++matches;
        }
      }
      if (matches == 1 || (is_named && found != nullptr))
        return use(*found);
      to->answer(refusal(404, std::string{kind} + "(Metrics(Stats(NoCounter)))"));
    });
  }

  void get_metrics(const http_request& request, const responder& to) {
    with_counters(request, to, "GlobalMetrics", has_any,
                  [to](const mount_record& m) { show(to, fs_metrics_text(m)); });
  }
  void get_backend_metrics(const http_request& request, const responder& to) {
    with_counters(request, to, "BackendMetrics", has_any,
                  [to](const mount_record& m) { show(to, backend_metrics_text(m)); });
  }
  void get_cache_metrics(const http_request& request, const responder& to) {
    with_counters(request, to, "BlobcacheMetrics", has_cache,
                  [to](const mount_record& m) { show(to, cache_metrics_text(m)); });
  }

  template <class Show>
  void with_files(const http_request& request, const responder& to, const char* kind, bool latest,
                  Show text) {
    with_counters(request, to, kind, has_any, [=, this](const mount_record& mount) {
      this->request(parts_.supervisor, caf::infinite, list_file_counters{mount.mountpoint, latest})
          .then([to, text](const file_counter_list& files) { show(to, text(files)); },
                [to, kind](const caf::error&) { // unmounted meanwhile
                  to->answer(refusal(404, std::string{kind} + "(Metrics(Stats(NoCounter)))"));
                });
    });
  }
  void get_file_metrics(const http_request& request, const responder& to) {
    const auto latest = request.query.find("latest");
    const bool wants_latest = latest != request.query.end() && latest->second == "true";
    with_files(request, to, "FsFilesMetrics", wants_latest,
               wants_latest ? latest_files_text : file_metrics_text);
  }
  void get_pattern(const http_request& request, const responder& to) {
    with_files(request, to, "Pattern", false, pattern_text);
  }

  /// Asks every port for a List and hands `use` all their `items` together. Ports that are gone have none.
  template <class List, class Ask, class Items, class Use>
  void gather(Ask ask, Items items, Use use) {
    auto all = std::make_shared<List>();
    auto missing = std::make_shared<std::size_t>(parts_.ports.size());
    if (*missing == 0)
      return use(*all);
    const auto one_less = [=] {
      if (--*missing == 0)
        use(*all);
    };
    for (const auto& port : parts_.ports)
      request(port, caf::infinite, ask)
          .then(
              [=](const List& some) {
                auto& total = *all.*items;
                total.insert(total.end(), (some.*items).begin(), (some.*items).end());
                one_less();
              },
              [=](const caf::error&) { one_less(); });
  }

  void get_inflight(const http_request&, const responder& to) {
    gather<inflight_list>(list_inflight{}, &inflight_list::requests, [to](const inflight_list& all) {
      if (all.requests.empty())
        return done(to);
      show(to, inflight_text(all));
    });
  }

  // -- a look inside -----------------------------------------------------------

  /// All that runs now: asks supervisor and census.
  template <class Use>
  void with_running(const responder& to, Use use) {
    with_mounts(to, [this, to, use](const mount_list& mounts) {
      const auto failed = [to](const caf::error& why) { to->answer(refusal(500, to_failure(why).detail)); };
      request(parts_.supervisor, caf::infinite, list_backends{})
          .then(
              [this, use, mounts, failed](const backend_list& backends) {
                request(parts_.census, caf::infinite, list_actors{})
                    .then(
                        [this, use, mounts, backends](const actor_list& actors) {
                          use(running_parts{actors, parts_.reactors, backends, mounts, now_nanoseconds()});
                        },
                        failed);
              },
              failed);
    });
  }

  void get_actors(const http_request&, const responder& to) {
    with_running(to, [to](const running_parts& running) { show(to, actors_text(running)); });
  }

  void get_prometheus(const http_request&, const responder& to) {
    with_running(to, [this, to](const running_parts& running) {
      gather<inflight_list>(
          list_inflight{}, &inflight_list::requests, [this, to, running](const inflight_list& in_flight) {
            to->answer({200, prometheus_.write(running, in_flight), prometheus_content_type});
          });
    });
  }

  void get_trace(const http_request& request, const responder& to) {
    with_mounts(to, [this, request, to](const mount_list& mounts) {
      auto filter = read_trace_filter(request.query, mounts);
      if (!filter)
        return to->answer(refusal(400, filter.error().detail));
      std::map<std::uint32_t, std::string> names;
      for (const auto& mount : mounts.mounts)
        names.emplace(mount->number, mount->mountpoint);
      gather<slow_request_list>(
          list_slowest{}, &slow_request_list::requests,
          [this, to, filter = *filter, names](const slow_request_list& slow) {
            gather<inflight_list>(list_inflight{}, &inflight_list::requests,
                                  [to, filter, names, slow](inflight_list under_way) {
                                    auto events = noted_events();
                                    events.insert(events.end(), slow.requests.begin(), slow.requests.end());
                                    std::erase_if(under_way.requests, [&](const inflight_request& one) {
                                      return (filter.mount && mount_of(one.inode) != *filter.mount) ||
                                             (filter.opcode && one.opcode != *filter.opcode);
                                    });
                                    show(to, trace_text(pick(filter, std::move(events)), under_way, names));
                                  });
          });
    });
  }

  // -- settings that change while mounted -------------------------------------

  void get_config(const http_request& request, const responder& to) {
    const auto* id = required(request, "id", to);
    if (id == nullptr)
      return;
    const auto found = changed_settings_.find(normal(*id));
    show(to, text_map_text(found == changed_settings_.end() ? text_map{} : found->second));
  }

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
    with_mounts(to, [this, to, changed, path = normal(*id)](const mount_list& all) {
      for (const auto& mount : all.mounts)
        if (mount->mountpoint == path) {
          for (const auto& [key, text] : changed)
            changed_settings_[path][key] = text;
          return done(to);
        }
      to->answer(refusal(500, "Configure(\"nothing is mounted at '" + path.substr(0, 80) + "'\")"));
    });
  }

  using text_map = std::map<std::string, std::string>;

  api_parts parts_;
  prometheus_text prometheus_;
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

caf::actor spawn_api_front(caf::actor_system& system, api_parts parts) {
  return system.spawn<api_front, caf::detached>(std::move(parts));
}

std::vector<std::string> served_routes() {
  std::vector<std::string> all;
  for (const auto& one : api_front::table())
    all.push_back(std::string{one.method} + " " + one.path);
  return all;
}

} // namespace nydus
