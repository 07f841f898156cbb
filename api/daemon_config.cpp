// SPDX-License-Identifier: Apache-2.0
#include "api/daemon_config.hpp"

#include <sys/stat.h>

#include <array>
#include <fstream>
#include <iterator>
#include <limits>

#include "api/backend_fields.hpp"
#include "api/config_value.hpp"

namespace nydus {

namespace {

constexpr std::uint32_t largest_batch = 0x10000000;
constexpr std::uint64_t largest_config_file = 1 << 20;
constexpr std::uint32_t most_waiting_reads = 1 << 20;
constexpr std::uint32_t most_backend_requests = 1024; // each has a thread
constexpr std::uint64_t most_waiting_bytes = std::uint64_t{1} << 40;

void read_prefetch_limits(config_reader& fields, prefetch_config& prefetch, const char* threads,
                          const char* batch, const char* bandwidth) {
  fields.read("enable", prefetch.enabled);
  fields.read(threads, prefetch.threads, prefetch.enabled ? 1 : 0, prefetch.enabled ? 1024 : 0xffffffff);
  fields.read(batch, prefetch.batch_size, 0, largest_batch);
  fields.read(bandwidth, prefetch.bandwidth_limit, 0, std::numeric_limits<std::int64_t>::max());
  fields.read("prefetch_all", prefetch.everything);
  fields.read("stream_prefetch", prefetch.stream);
}

/// `table`: name of the object in `backend` that has the fields of its kind; empty: a table of the kind's
/// name.
void read_backend(config_reader& backend, const std::string& table, mount_settings& settings) {
  backend.read("type", settings.backend.kind);
  static constexpr std::array known{"localfs", "localdisk", "oss", "s3", "registry", "http-proxy"};
  bool is_known = false;
  for (const auto* one : known)
    is_known = is_known || settings.backend.kind == one;
  if (!is_known)
    backend.refuse("type", "localfs (or localdisk, oss, s3, registry, http-proxy)");
  auto fields = backend.child(table.empty() ? settings.backend.kind : table);
  read_backend_fields(fields, settings.backend);
  backend.absorb(fields);
}

void read_cache(config_reader& cache, config_reader files, bool needs_files, mount_settings& settings) {
  std::string type;
  cache.read("type", type);
  cache.read("compressed", settings.cache.keep_compressed);
  cache.read("validate", settings.cache.recheck_cached);
  cache.read("check_fetched", settings.cache.check_fetched);
  if (type == "blobcache" || type == "filecache") {
    settings.cache.kind = cache_config::placement::files;
    if (needs_files && !files.is_present())
      cache.refuse("config", "an object with work_dir");
    files.read("work_dir", settings.cache.work_directory);
    files.read("disable_indexed_map", settings.cache.disable_chunk_map);
    if (settings.cache.work_directory.empty())
      files.refuse("work_dir", "a directory");
    cache.absorb(files);
  } else if (!type.empty() && type != "dummycache") {
    cache.refuse("type", "blobcache, filecache or dummycache (this build has no fscache)");
  }
}

void read_rafs(config_reader& fields, mount_settings& settings, const char* batch, const char* validate) {
  fields.read("mode", settings.mode);
  if (settings.mode != "direct" && settings.mode != "cached")
    fields.refuse("mode", "\"direct\" or \"cached\"");
  fields.read(batch, settings.batch_size, 0, largest_batch);
  fields.read(validate, settings.digest_validate);
  fields.read("enable_xattr", settings.enable_xattr);
  fields.read("iostats_files", settings.iostats_files);
  fields.read("access_pattern", settings.access_pattern);
  fields.read("latest_read_files", settings.latest_read_files);
}

result<mount_settings> finish(const config_reader& root, mount_settings settings) {
  if (!root.outcome())
    return root.outcome().error();
  settings.cache.recheck_cached = settings.cache.recheck_cached || settings.digest_validate;
  return settings;
}

void read_id_mapping(config_reader& root, mount_settings& settings) {
  const auto* value = root.find("id_mapping");
  if (value == nullptr)
    return;
  const auto* list = std::get_if<config_value::array>(&value->value());
  std::array<std::uint32_t, 3> numbers{};
  bool is_right = list != nullptr && (list->size() == numbers.size() || list->empty());
  for (std::size_t i = 0; is_right && i < list->size(); ++i) {
    const auto* number = std::get_if<std::int64_t>(&(*list)[i].value());
    is_right = number != nullptr && *number >= 0 && *number <= 0xffffffff;
    if (is_right)
      numbers[i] = static_cast<std::uint32_t>(*number);
  }
  if (!is_right)
    return root.refuse("id_mapping", "a list of three numbers: internal, external, range");
  settings.owners = {numbers[0], numbers[1], numbers[2]};
}

void read_limits(config_reader& root, mount_settings& settings) {
  auto fields = root.child("limits");
  auto& limits = settings.limits;
  fields.read("mount_reads", limits.mount_reads, 1, most_waiting_reads);
  fields.read("mount_bytes", limits.mount_bytes, 1, most_waiting_bytes);
  fields.read("backend_requests", limits.backend_requests, 1, most_backend_requests);
  fields.read("backend_bytes", limits.backend_bytes, 1, most_waiting_bytes);
  root.absorb(fields);
}

result<mount_settings> from_v2(const config_value& value) {
  config_reader root{&value, ""};
  mount_settings settings;
  std::uint32_t version = 2;
  root.read("version", version, 2, 2);
  root.read("id", settings.id);
  auto backend = root.child("backend");
  if (root.outcome() && !backend.is_present())
    root.refuse("backend", "an object with type and a table of that name");
  settings.backend.kind.clear();
  read_backend(backend, "", settings);
  root.absorb(backend);
  auto cache = root.child("cache");
  read_cache(cache, cache.child("filecache"), false, settings);
  auto cache_prefetch = cache.child("prefetch");
  read_prefetch_limits(cache_prefetch, settings.cache_prefetch, "threads", "batch_size", "bandwidth_limit");
  cache.absorb(cache_prefetch);
  root.absorb(cache);
  auto rafs = root.child("rafs");
  read_rafs(rafs, settings, "batch_size", "validate");
  auto prefetch = rafs.child("prefetch");
  read_prefetch_limits(prefetch, settings.rafs_prefetch, "threads", "batch_size", "bandwidth_limit");
  rafs.absorb(prefetch);
  root.absorb(rafs);
  if (!cache_prefetch.is_present())
    settings.cache_prefetch = settings.rafs_prefetch;
  read_id_mapping(root, settings);
  read_limits(root, settings);
  if (root.outcome() && root.find("overlay") != nullptr)
    return failure{errc::not_supported, "overlay is set; this build has no writable overlay"};
  return finish(root, std::move(settings));
}

/// v1, and the oldest form where the device stands under "device_config" alone.
result<mount_settings> from_v1(const config_value& value) {
  config_reader root{&value, ""};
  mount_settings settings;
  const bool is_oldest = root.find("device") == nullptr && root.find("device_config") != nullptr;
  auto device = root.child(is_oldest ? "device_config" : "device");
  if (!device.is_present())
    root.refuse("device", "an object with backend and cache");
  if (!is_oldest && root.find("mode") == nullptr)
    root.refuse("mode", "\"direct\" or \"cached\"");
  device.read("id", settings.id);
  auto backend = device.child("backend");
  if (root.outcome() && !backend.is_present())
    device.refuse("backend", "an object with type and config");
  settings.backend.kind.clear();
  read_backend(backend, "config", settings);
  device.absorb(backend);
  auto cache = device.child("cache");
  read_cache(cache, cache.child("config"), true, settings);
  device.absorb(cache);
  root.absorb(device);
  read_rafs(root, settings, "amplify_io", "digest_validate");
  auto prefetch = root.child("fs_prefetch");
  settings.rafs_prefetch.everything = prefetch.is_present();
  read_prefetch_limits(prefetch, settings.rafs_prefetch, "threads_count", "merging_size", "bandwidth_rate");
  root.absorb(prefetch);
  settings.cache_prefetch = settings.rafs_prefetch;
  read_id_mapping(root, settings);
  read_limits(root, settings);
  return finish(root, std::move(settings));
}

/// A document that has a version is v2, but for one with v1's device and no backend of its own.
bool is_v2(const config_value& value) {
  const auto* fields = value.as_object();
  return fields != nullptr && fields->contains("version") &&
         (fields->contains("backend") || !(fields->contains("device") || fields->contains("device_config")));
}

} // namespace

result<mount_settings> parse_config(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return failure{errc::malformed, "failed to parse configuration information: it is empty"};
  const auto json = config_value::from_json(text);
  if (json)
    return is_v2(*json) ? from_v2(*json) : from_v1(*json);
  const auto toml = config_value::from_toml(text);
  if (!toml)
    return failure{errc::malformed, "failed to parse configuration information: neither JSON (" +
                                        json.error().detail + ") nor TOML (" + toml.error().detail + ")"};
  if (!is_v2(*toml))
    return failure{errc::malformed, "failed to parse configuration information: TOML needs version = 2"};
  return from_v2(*toml);
}

result<std::string> read_config_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return system_failure("read configuration " + path, errno);
  if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) > largest_config_file)
    return failure{errc::malformed, "configuration " + path + " is no regular file of at most 1 MiB"};
  std::ifstream file{path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (!file && !file.eof())
    return failure{errc::unavailable, "configuration " + path + " cannot be read"};
  return text;
}

mount_settings settings_for_directory(const std::string& directory) {
  mount_settings settings;
  settings.backend.kind = "localfs";
  settings.backend.localfs.directory = directory;
  settings.cache.kind = cache_config::placement::files;
  settings.cache.work_directory = directory;
  return settings;
}

} // namespace nydus
