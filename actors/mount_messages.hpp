// SPDX-License-Identifier: Apache-2.0
// What the API asks of mount_supervisor, and its answers. Named structs; payloads are shared and never
// change.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "actors/mount_counters.hpp"
#include "actors/trace_event.hpp"
#include "metadata/image.hpp"
#include "storage/blob_cache_files.hpp"
#include "storage/mount_settings.hpp"

namespace nydus {

/// Mounts an image as a pseudo-mount. The answer comes once the kernel or guest can see it.
/// Answer: mount_changed. Errors: already_exists (another image is there; the very same request again
/// succeeds),
///   malformed (mountpoint), not_found, corrupt, not_supported.
struct mount_image {
  std::string
      mountpoint;     // absolute; a missing leading '/' is added, empty and "." parts dropped, ".." refused
  std::string source; // path of the bootstrap
  std::shared_ptr<const mount_settings> settings;
  std::vector<std::string> prefetch_files; // absolute paths within the image; "/": everything
};

/// Replaces the image of a mountpoint; open files go on to read the old one's bytes or fail, never mix.
/// Answer: mount_changed. Errors: as mount_image, not_found if nothing is mounted there.
struct remount_image {
  mount_image replacement;
};

/// Answer: mount_changed, once no name of the mount can be reached. Errors: not_found.
struct unmount_image {
  std::string mountpoint;
};

struct mount_changed {};

/// Counters of one read file, kept if iostats_files or access_pattern asks.
struct file_counters {
  std::uint64_t inode = 0;
  std::uint64_t operations = 0;
  std::uint64_t data_read = 0; // bytes
  std::uint64_t read_sizes[8] = {};
  std::uint64_t reads = 0;
  std::uint64_t read_errors = 0;
  std::uint64_t first_access_seconds = 0; // since 1970
  std::uint32_t first_access_nanoseconds = 0;
};

class blob_backend;

/// What the API may know of one blob of a mount. Mounts that use the same blob the same way share all of it.
struct blob_record {
  std::shared_ptr<const blob_cache_files> files; // null: nothing is kept
  std::shared_ptr<const backend_counters> backend;
  std::shared_ptr<const cache_counters> cache; // its prefetched_* and prefetch_requests alone
};

/// What the API may know of one mount. Immutable but for the counters it points to.
struct mount_record {
  std::uint32_t number = 0; // in node ids and traces
  std::string mountpoint;
  std::string source;
  std::chrono::system_clock::time_point mounted_at;
  std::shared_ptr<const mount_settings> settings;
  std::shared_ptr<const image> contents;
  std::shared_ptr<const mount_counters> counters;
  std::shared_ptr<const cache_counters> cache; // its own reads and when it prefetched
  std::vector<blob_record> blobs;              // as image::blobs()
  std::shared_ptr<blob_backend> backend;       // shared by mounts; null: an image without data
};

/// Answer: mount_list, sorted by mountpoint.
struct list_mounts {};
struct mount_list {
  std::vector<std::shared_ptr<const mount_record>> mounts;
};

struct fetcher_counters;

/// Answer: backend_list, the backends that mounts use, each once.
struct list_backends {};
struct backend_list {
  std::vector<std::shared_ptr<const fetcher_counters>> backends;
};

/// Per-file counters of one mount. Answer: file_counter_list. Errors: not_found.
/// `latest_only`: also answers and clears the set of files read since it was last asked.
struct list_file_counters {
  std::string mountpoint;
  bool latest_only = false;
};
struct file_counter_list {
  std::vector<file_counters> files;
  std::vector<std::uint64_t> latest; // inode numbers, if latest_only
};

/// Answer: slow_request_list, from each port.
struct list_slowest {};
struct slow_request_list {
  std::vector<trace_event> requests;
};

/// Requests that have no answer yet, over all mounts. Answer: inflight_list.
struct list_inflight {};
struct inflight_request {
  std::uint64_t inode = 0;
  std::uint32_t opcode = 0;
  std::uint64_t unique = 0;
  std::uint64_t since_seconds = 0; // since 1970
  trace_id trace{};
  std::uint64_t received = 0; // nanoseconds of the steady clock
};
struct inflight_list {
  std::vector<inflight_request> requests;
};

} // namespace nydus
