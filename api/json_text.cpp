// SPDX-License-Identifier: Apache-2.0
#include "api/json_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <ctime>

#include "api/version.hpp"

namespace nydus {

namespace {

using json = nlohmann::ordered_json;

std::string text_of(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

template <class Counters>
json list_of(const Counters& counters) {
  auto list = json::array();
  for (const auto& one : counters)
    list.push_back(std::uint64_t{one});
  return list;
}

json prefetch_json(const prefetch_config& prefetch) {
  return {{"enable", prefetch.enabled},          {"threads", prefetch.threads},
          {"batch_size", prefetch.batch_size},   {"bandwidth_limit", prefetch.bandwidth_limit},
          {"prefetch_all", prefetch.everything}, {"stream_prefetch", prefetch.stream}};
}

/// Adds what all backends behind a network have.
json with_http(json fields, const http_config& http) {
  fields.update({{"skip_verify", http.skips_verify},
                 {"ca_cert_files", http.ca_cert_files},
                 {"timeout", http.timeout},
                 {"connect_timeout", http.connect_timeout},
                 {"retry_limit", http.retry_limit},
                 {"proxy",
                  {{"url", http.proxy.url},
                   {"fallback", http.proxy.has_fallback},
                   {"check_interval", http.proxy.check_interval},
                   {"use_http", http.proxy.uses_http}}}});
  return fields;
}

/// Without its secrets, as what follows.
json registry_json(const registry_config& registry) {
  return with_http({{"scheme", registry.scheme},
                    {"host", registry.host},
                    {"repo", registry.repo},
                    {"auth", nullptr},
                    {"registry_token", nullptr},
                    {"blob_url_scheme", registry.blob_url_scheme},
                    {"blob_redirected_host", registry.blob_redirected_host}},
                   registry.http);
}

json objects_json(const object_store_config& objects) {
  return with_http({{"scheme", objects.scheme},
                    {"endpoint", objects.endpoint},
                    {"region", objects.region},
                    {"bucket_name", objects.bucket},
                    {"object_prefix", objects.prefix},
                    {"access_key_id", nullptr},
                    {"access_key_secret", nullptr}},
                   objects.http);
}

/// The present (v2) form, whatever form it came in.
json settings_json(const mount_settings& settings) {
  json localfs = nullptr;
  if (settings.backend.kind == "localfs")
    localfs = {{"blob_file", settings.backend.localfs.blob_file},
               {"dir", settings.backend.localfs.directory},
               {"alt_dirs", settings.backend.localfs.other_directories}};
  json registry = nullptr;
  if (settings.backend.kind == "registry")
    registry = registry_json(settings.backend.registry);
  json objects = nullptr;
  if (settings.backend.kind == "oss" || settings.backend.kind == "s3")
    objects = objects_json(settings.backend.objects);
  const bool has_files = settings.cache.kind == cache_config::placement::files;
  json files = nullptr;
  if (has_files)
    files = {{"work_dir", settings.cache.work_directory},
             {"disable_indexed_map", settings.cache.disable_chunk_map},
             {"enable_encryption", false},
             {"enable_convergent_encryption", false},
             {"encryption_key", ""}};
  return {{"version", 2},
          {"id", settings.id},
          {"backend",
           {{"type", settings.backend.kind},
            {"localdisk", nullptr},
            {"localfs", localfs},
            {"oss", settings.backend.kind == "oss" ? objects : json()},
            {"s3", settings.backend.kind == "s3" ? objects : json()},
            {"registry", registry},
            {"http-proxy", nullptr}}},
          {"external_backends", json::array()},
          {"cache",
           {{"type", has_files ? "blobcache" : "dummycache"},
            {"compressed", settings.cache.keep_compressed},
            {"validate", settings.cache.recheck_cached},
            {"prefetch", prefetch_json(settings.cache_prefetch)},
            {"filecache", files},
            {"fscache", nullptr}}},
          {"rafs",
           {{"mode", settings.mode},
            {"batch_size", settings.batch_size},
            {"validate", settings.digest_validate},
            {"enable_xattr", settings.enable_xattr},
            {"iostats_files", settings.iostats_files},
            {"access_pattern", settings.access_pattern},
            {"latest_read_files", settings.latest_read_files},
            {"prefetch", prefetch_json(settings.rafs_prefetch)}}},
          {"overlay", nullptr}};
}

std::string time_text(std::chrono::system_clock::time_point when) {
  const auto since = when.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds).count();
  const std::time_t clock = seconds.count();
  std::tm parts{};
  ::gmtime_r(&clock, &parts);
  std::array<char, 64> text{};
  const auto size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  auto fraction = std::to_string(nanos);
  fraction.insert(0, 9 - std::min<std::size_t>(fraction.size(), 9), '0');
  return std::string{text.data(), size} + "." + fraction + " +00:00:00";
}

json file_json(const file_counters& file) {
  std::array<std::uint64_t, file_operation_count> hits{};
  std::array<std::uint64_t, file_operation_count> errors{};
  hits[static_cast<std::size_t>(file_operation::read)] = file.reads;
  errors[static_cast<std::size_t>(file_operation::read)] = file.read_errors;
  return {{"total_fops", file.operations},
          {"data_read", file.data_read},
          {"block_count_read", list_of(file.read_sizes)},
          {"fop_hits", hits},
          {"fop_errors", errors}};
}

} // namespace

std::string error_text(const std::string& message) {
  return text_of({{"code", "UNDEFINED"}, {"message", message}});
}

std::string daemon_text(const daemon_facts& facts, const std::string& collection) {
  const auto& made = version();
  const auto or_null = [](const std::string& text) { return text.empty() ? json(nullptr) : json(text); };
  auto text = text_of({{"version",
                        {{"package_ver", made.package},
                         {"git_commit", made.commit},
                         {"build_time", made.built_at},
                         {"profile", made.profile},
                         {"rustc", made.compiler}}},
                       {"id", or_null(facts.id)},
                       {"supervisor", or_null(facts.supervisor)},
                       {"state", facts.state}});
  text.back() = ',';
  return text + "\"backend_collection\":" + collection + "}";
}

std::string collection_member_text(const mount_record& mount) {
  auto member = json::object();
  member[mount.mountpoint] = {{"backend_type", "Rafs"},
                              {"mountpoint", mount.mountpoint},
                              {"mounted_time", time_text(mount.mounted_at)},
                              {"config", settings_json(*mount.settings)}};
  const auto text = text_of(member);
  return text.substr(1, text.size() - 2);
}

std::string superblock_text(const mount_record& mount) {
  auto fields = json::object();
  const auto& shown = mount.contents->description();
  for (const auto& [name, value] : shown.superblock_fields)
    fields[name] = value;
  fields["batch_size"] = mount.settings->batch_size;
  fields["flags"] = shown.flags;
  const json for_ever = {{"secs", std::uint64_t{1} << 32}, {"nanos", 0}};
  fields["attr_timeout"] = for_ever;
  fields["entry_timeout"] = for_ever;
  fields["is_chunk_dict"] = false;
  return text_of(fields);
}

std::string fs_metrics_text(const mount_record& mount) {
  const auto& counters = *mount.counters;
  const auto& settings = *mount.settings;
  return text_of({{"files_account_enabled", settings.iostats_files},
                  {"access_pattern_enabled", settings.access_pattern},
                  {"record_latest_read_files_enabled", settings.latest_read_files},
                  {"measure_latency", true},
                  {"id", mount.mountpoint},
                  {"nr_opens", std::uint64_t{counters.opens}},
                  {"data_read", std::uint64_t{counters.data_read}},
                  {"block_count_read", list_of(counters.read_sizes)},
                  {"fop_hits", list_of(counters.hits)},
                  {"fop_errors", list_of(counters.errors)},
                  {"fop_cumulative_latency_total", list_of(counters.latency_total)},
                  {"read_latency_dist", list_of(counters.read_latencies)}});
}

std::string file_metrics_text(const file_counter_list& files) {
  auto all = json::object();
  for (const auto& file : files.files)
    all[std::to_string(file.inode)] = file_json(file);
  return text_of(all);
}

std::string latest_files_text(const file_counter_list& files) {
  auto all = json::array();
  for (const auto inode : files.latest)
    all.push_back(json::array({inode}));
  return text_of(all);
}

std::string pattern_text(const file_counter_list& files) {
  auto all = json::array();
  for (const auto& file : files.files)
    if (file.reads > 0)
      all.push_back({{"ino", file.inode},
                     {"nr_read", file.reads},
                     {"first_access_time_secs", file.first_access_seconds},
                     {"first_access_time_nanos", file.first_access_nanoseconds}});
  return text_of(all);
}

std::string backend_metrics_text(const mount_record& mount) {
  backend_counters total;
  for (const auto& blob : mount.blobs)
    add_all(total, *blob.backend);
  auto by_size = json::array();
  for (const auto& latencies : total.latencies_by_size)
    by_size.push_back(list_of(latencies));
  return text_of({{"backend_type", mount.settings->backend.kind},
                  {"read_count", std::uint64_t{total.reads}},
                  {"read_errors", std::uint64_t{total.errors}},
                  {"read_amount_total", std::uint64_t{total.bytes}},
                  {"read_cumulative_latency_millis_total", std::uint64_t{total.latency_total}},
                  {"read_cumulative_latency_millis_dist", list_of(total.latencies)},
                  {"read_count_block_size_dist", list_of(total.sizes)},
                  {"read_latency_sizes_dist", by_size}});
}

std::string cache_metrics_text(const mount_record& mount) {
  const auto& cache = mount.settings->cache;
  const bool has_files = cache.kind == cache_config::placement::files;
  auto names = json::array();
  std::uint64_t chunks = 0;
  std::uint64_t present = 0;
  cache_counters fetched;
  const auto sources = mount.contents->blobs();
  for (std::size_t i = 0; i < mount.blobs.size(); ++i) {
    const auto& one = mount.blobs[i];
    chunks += sources[i].chunk_count;
    if (one.files)
      present += one.files->present_count();
    if (has_files)
      names.push_back(sources[i].id + (cache.keep_compressed ? ".blob.raw" : ".blob.data"));
    add(fetched.prefetched_bytes, one.cache->prefetched_bytes);
    add(fetched.prefetch_requests, one.cache->prefetch_requests);
    add(fetched.prefetch_chunks, one.cache->prefetch_chunks);
    add(fetched.buffered_bytes, one.cache->buffered_bytes);
  }
  const auto& own = *mount.cache;
  return text_of({{"underlying_files", names},
                  {"store_path", has_files ? cache.work_directory : ""},
                  {"partial_hits", std::uint64_t{own.partial_hits}},
                  {"whole_hits", std::uint64_t{own.whole_hits}},
                  {"total", std::uint64_t{own.reads}},
                  {"entries_count", present},
                  {"prefetch_data_amount", std::uint64_t{fetched.prefetched_bytes}},
                  {"prefetch_requests_count", std::uint64_t{fetched.prefetch_requests}},
                  {"prefetch_workers", std::uint64_t{own.prefetch_workers}},
                  {"prefetch_unmerged_chunks", std::uint64_t{fetched.prefetch_chunks}},
                  {"prefetch_cumulative_time_millis", std::uint64_t{own.prefetch_millis}},
                  {"prefetch_begin_time_secs", std::uint64_t{own.prefetch_began} / 1000},
                  {"prefetch_begin_time_millis", std::uint64_t{own.prefetch_began} % 1000},
                  {"prefetch_end_time_secs", std::uint64_t{own.prefetch_ended} / 1000},
                  {"prefetch_end_time_millis", std::uint64_t{own.prefetch_ended} % 1000},
                  {"buffered_backend_size", std::uint64_t{fetched.buffered_bytes}},
                  {"data_all_ready", chunks != 0 && present >= chunks}});
}

std::string text_map_text(const std::map<std::string, std::string>& texts) {
  auto all = json::object();
  for (const auto& [key, text] : texts)
    all[key] = text;
  return text_of(all);
}

std::string inflight_text(const inflight_list& list) {
  auto all = json::array();
  for (const auto& one : list.requests)
    all.push_back({{"inode", one.inode},
                   {"opcode", one.opcode},
                   {"unique", one.unique},
                   {"timestamp_secs", one.since_seconds}});
  return text_of(all);
}

} // namespace nydus
