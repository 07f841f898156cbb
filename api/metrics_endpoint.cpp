// SPDX-License-Identifier: Apache-2.0
#include "api/metrics_endpoint.hpp"

#include "actors/mount_messages.hpp"
#include "api/json_text.hpp"

namespace nydus {

namespace {

bool has_any(const mount_record&) {
  return true;
}
bool has_cache(const mount_record& mount) {
  return mount.settings->cache.kind != cache_config::placement::none;
}

http_answer no_counters(const char* kind) {
  return refusal(404, std::string{kind} + "(Metrics(Stats(NoCounter)))");
}

auto answer_with(const responder& to, std::string (*text)(const mount_record&)) {
  return [to, text](const mount_record& mount) { to->answer({200, text(mount)}); };
}

} // namespace

/// Hands `use` the mount that ?id= names, or the only one that `has` such counters; else answers 404 in the
/// words of `kind`. Caches are also known by the id of their configuration.
template <class Use>
void metrics_endpoint::with_mount(const http_request& request, const responder& to, const char* kind,
                                  has_counters has, Use use) {
  const auto id = request.query.find("id");
  const bool is_named = id != request.query.end();
  const auto wanted = is_named ? id->second : std::string{};
  with_mounts(front_, supervisor_, to, [=, path = supervisors_name(wanted)](const mount_list& all) {
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
    to->answer(no_counters(kind));
  });
}

void metrics_endpoint::show_file_system(const http_request& request, const responder& to) {
  with_mount(request, to, "GlobalMetrics", has_any, answer_with(to, fs_metrics_text));
}

void metrics_endpoint::show_backend(const http_request& request, const responder& to) {
  with_mount(request, to, "BackendMetrics", has_any, answer_with(to, backend_metrics_text));
}

void metrics_endpoint::show_cache(const http_request& request, const responder& to) {
  with_mount(request, to, "BlobcacheMetrics", has_cache, answer_with(to, cache_metrics_text));
}

void metrics_endpoint::with_files(const http_request& request, const responder& to, const char* kind,
                                  bool is_latest, files_text text) {
  with_mount(request, to, kind, has_any, [=, this](const mount_record& mount) {
    front_.request(supervisor_, caf::infinite, list_file_counters{mount.mountpoint, is_latest})
        .then(
            [to, text](const file_counter_list& files) {
              to->answer({200, text(files)});
            },
            [to, kind](const caf::error&) { to->answer(no_counters(kind)); }); // unmounted meanwhile
  });
}

void metrics_endpoint::show_files(const http_request& request, const responder& to) {
  const auto latest = request.query.find("latest");
  const bool is_latest = latest != request.query.end() && latest->second == "true";
  with_files(request, to, "FsFilesMetrics", is_latest, is_latest ? latest_files_text : file_metrics_text);
}

void metrics_endpoint::show_pattern(const http_request& request, const responder& to) {
  with_files(request, to, "Pattern", false, pattern_text);
}

} // namespace nydus
