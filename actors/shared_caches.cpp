// SPDX-License-Identifier: Apache-2.0
#include "actors/shared_caches.hpp"

#include <caf/send.hpp>

#include <cstdint>
#include <initializer_list>
#include <utility>

#include "actors/blob_cache.hpp"
#include "actors/blob_fetcher.hpp"

namespace nydus {

namespace {

std::string joined(std::initializer_list<const std::string*> texts) {
  std::string key;
  for (const auto* text : texts)
    key += "\n" + *text;
  return key;
}

/// All that a configuration says of a backend behind a network.
std::string key_of(const http_config& http) {
  auto key = joined({&http.proxy.url});
  for (const auto& path : http.ca_cert_files)
    key += "\n" + path;
  for (const std::uint64_t number : {std::uint32_t{http.skips_verify}, http.timeout, http.connect_timeout,
                                     http.retry_limit, std::uint32_t{http.proxy.has_fallback},
                                     http.proxy.check_interval, std::uint32_t{http.proxy.uses_http}})
    key += "\n" + std::to_string(number);
  return key;
}

std::string key_of(const registry_config& registry) {
  return joined({&registry.scheme, &registry.host, &registry.repo, &registry.auth, &registry.token,
                 &registry.blob_url_scheme, &registry.blob_redirected_host}) +
         key_of(registry.http);
}

std::string key_of(const object_store_config& objects) {
  return joined({&objects.scheme, &objects.endpoint, &objects.region, &objects.bucket, &objects.prefix,
                 &objects.key_id, &objects.key_secret}) +
         key_of(objects.http);
}

/// What two backends have to have in common to be one.
std::string key_of(const mount_settings& settings) {
  const auto& localfs = settings.backend.localfs;
  auto key = settings.backend.kind + "\n" + localfs.directory + "\n" + localfs.blob_file + "\n" +
             std::to_string(settings.limits.backend_requests) + " " +
             std::to_string(settings.limits.backend_bytes);
  for (const auto& other : localfs.other_directories)
    key += "\n" + other;
  if (settings.backend.kind == "registry")
    key += key_of(settings.backend.registry);
  if (settings.backend.kind == "oss" || settings.backend.kind == "s3")
    key += key_of(settings.backend.objects);
  return key;
}

/// What two caches have to have in common to be one: a mount never depends on another one's settings.
std::string key_of(const mount_settings& settings, const blob& source) {
  const auto& cache = settings.cache;
  auto key = key_of(settings) + "\n" + cache.work_directory + "\n" + source.id + "\n";
  for (const std::uint64_t number :
       {std::uint64_t{cache.kind == cache_config::placement::files}, std::uint64_t{cache.keep_compressed},
        std::uint64_t{cache.recheck_cached}, std::uint64_t{cache.check_fetched},
        std::uint64_t{cache.disable_chunk_map}, std::uint64_t{settings.batch_size},
        std::uint64_t{source.chunk_count}, static_cast<std::uint64_t>(source.compression),
        static_cast<std::uint64_t>(source.digests), source.uncompressed_size})
    key += std::to_string(number) + " ";
  return key;
}

/// What operators call the backend.
std::string name_of(const backend_config& backend) {
  if (backend.kind == "registry")
    return backend.kind + " " + backend.registry.host + "/" + backend.registry.repo;
  if (backend.kind == "oss" || backend.kind == "s3")
    return backend.kind + " " + backend.objects.endpoint + "/" + backend.objects.bucket;
  const auto& localfs = backend.localfs;
  return backend.kind + " " + (localfs.blob_file.empty() ? localfs.directory : localfs.blob_file);
}

} // namespace

shared_caches::attachment shared_caches::attach(const mount_settings& settings, const opened_image& opened) {
  attachment attached;
  const auto blobs = opened.contents->blobs();
  if (blobs.empty())
    return attached; // an image without data
  attached.held.fetcher = key_of(settings);
  const auto& fetcher = attach_fetcher(settings, attached.held.fetcher, opened.backend);
  attached.backend = fetcher.backend;
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    auto key = key_of(settings, blobs[i]);
    auto& shared = caches_[key];
    if (shared.users++ == 0) {
      shared.files = opened.files[i];
      shared.cache_seen = std::make_shared<cache_counters>();
      shared.backend_seen = std::make_shared<backend_counters>();
      shared.cache = spawn_blob_cache(system_, {blobs[i], shared.files, fetcher.backend, fetcher.fetcher,
                                                shared.backend_seen, shared.cache_seen, settings.batch_size,
                                                settings.cache.check_fetched});
    }
    attached.held.caches.push_back(std::move(key));
    attached.blobs.push_back({shared.files, shared.cache});
    attached.records.push_back({shared.files, shared.backend_seen, shared.cache_seen});
  }
  return attached;
}

const shared_caches::shared_fetcher&
shared_caches::attach_fetcher(const mount_settings& settings, const std::string& key,
                              const std::shared_ptr<blob_backend>& backend) {
  auto& shared = fetchers_[key];
  if (shared.users++ == 0) {
    shared.backend = backend;
    shared.seen = std::make_shared<fetcher_counters>();
    shared.fetcher = spawn_blob_fetcher(system_, {name_of(settings.backend), settings.limits, shared.seen});
  }
  return shared;
}

void shared_caches::release(lease& held) {
  for (const auto& key : std::exchange(held.caches, {})) {
    const auto found = caches_.find(key);
    if (found != caches_.end() && --found->second.users == 0) {
      caf::anon_send_exit(found->second.cache, caf::exit_reason::user_shutdown);
      caches_.erase(found);
    }
  }
  const auto backend = fetchers_.find(std::exchange(held.fetcher, {}));
  if (backend != fetchers_.end() && --backend->second.users == 0) {
    caf::anon_send_exit(backend->second.fetcher, caf::exit_reason::user_shutdown);
    fetchers_.erase(backend);
  }
}

backend_list shared_caches::backends() const {
  backend_list all;
  for (const auto& [key, one] : fetchers_)
    all.backends.push_back(one.seen);
  return all;
}

} // namespace nydus
