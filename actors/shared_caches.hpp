// SPDX-License-Identifier: Apache-2.0
// The caches of blobs and the fetchers of backends that mounts share: made for the first one, ended after the
// last. Neighbours: mount_supervisor, which attaches each mount; blob_cache and blob_fetcher.
#pragma once

#include <caf/actor_system.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/image_opener.hpp"
#include "actors/mount_messages.hpp"
#include "actors/rafs_mount.hpp"

namespace nydus {

/// Threads: the supervisor's alone.
class shared_caches {
public:
  /// What a mount uses of them. Given back with release(), once.
  class lease {
    friend class shared_caches;
    std::vector<std::string> caches; // keys
    std::string fetcher;             // key; empty: an image without data
  };
  struct attachment {
    std::vector<mounted_blob> blobs; // as image::blobs()
    std::vector<blob_record> records;
    std::shared_ptr<blob_backend> backend; // that of the first mount of those who share it
    lease held;
  };

  explicit shared_caches(caf::actor_system& system) noexcept : system_(system) {}

  /// Finds or makes the cache of each blob, and the fetcher of their backend.
  attachment attach(const mount_settings& settings, const opened_image& opened);
  /// Ends what nobody else uses.
  void release(lease& held);

  /// The backends that are in use.
  backend_list backends() const;

private:
  struct shared_cache {
    caf::actor cache;
    std::shared_ptr<blob_cache_files> files;
    std::shared_ptr<backend_counters> backend_seen;
    std::shared_ptr<cache_counters> cache_seen;
    std::size_t users = 0;
  };
  struct shared_fetcher {
    caf::actor fetcher;
    std::shared_ptr<blob_backend> backend;
    std::shared_ptr<fetcher_counters> seen;
    std::size_t users = 0;
  };

  const shared_fetcher& attach_fetcher(const mount_settings& settings, const std::string& key,
                                       const std::shared_ptr<blob_backend>& backend);

  caf::actor_system& system_;
  std::map<std::string, shared_cache> caches_;     // by where the files lie and where the blob comes from
  std::map<std::string, shared_fetcher> fetchers_; // by backend and limits
};

} // namespace nydus
