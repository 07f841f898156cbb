// SPDX-License-Identifier: Apache-2.0
// What a configuration says of backend and cache, checked. Plain values with units; parsed in
// api/daemon_config.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nydus {

/// Blobs as files. One of blob_file and directory is set.
struct localfs_config {
  std::string blob_file;                      // one file that stands for every blob id
  std::string directory;                      // blobs by id
  std::vector<std::string> other_directories; // searched after directory, in order

  bool operator==(const localfs_config&) const = default;
};

struct backend_config {
  std::string kind = "localfs"; // as the configuration spells it
  localfs_config localfs;       // if kind is localfs

  bool operator==(const backend_config&) const = default;
};

/// Where fetched chunks are kept.
struct cache_config {
  enum class placement : std::uint8_t {
    none,  // "dummycache": nothing is kept
    files, // "blobcache", "filecache"
  };
  placement kind = placement::none;
  std::string work_directory = ".";
  bool keep_compressed = false;   // .blob.raw: stored bytes are kept, decoded at each read
  bool recheck_cached = false;    // check the digests of what an earlier process cached
  bool check_fetched = true;      // check each fetched chunk's digest (our own key: check_fetched)
  bool disable_chunk_map = false; // disable_indexed_map: presence lives in memory alone

  bool operator==(const cache_config&) const = default;
};

} // namespace nydus
