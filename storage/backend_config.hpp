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

/// A proxy between the daemon and a backend, such as a Dragonfly peer.
struct proxy_config {
  std::string url; // empty: none
  bool has_fallback = true;
  std::uint32_t check_interval = 5; // seconds after a failure in which it is not asked
  bool uses_http = false;           // ask it for http:// what is https:// at its place

  bool operator==(const proxy_config&) const = default;
};

/// How a backend behind a network is asked.
struct http_config {
  bool skips_verify = false;              // any certificate will do
  std::vector<std::string> ca_cert_files; // PEM; trusted beside the system's
  std::uint32_t timeout = 5;              // seconds without progress
  std::uint32_t connect_timeout = 5;      // seconds
  std::uint32_t retry_limit = 0;          // 0: the standard number of further tries
  proxy_config proxy;

  bool operator==(const http_config&) const = default;
};

/// Blobs in a registry (OCI distribution specification).
struct registry_config {
  std::string scheme = "https";
  std::string host; // with a port if need be
  std::string repo;
  std::string auth;                 // base64 of user:password; empty: none
  std::string token;                // bearer token; empty: none, or as the registry's challenge says
  std::string blob_url_scheme;      // of places that the registry redirects to; empty: as they say
  std::string blob_redirected_host; // the same for their host
  http_config http;

  bool operator==(const registry_config&) const = default;
};

/// Blobs as objects of a bucket, in Alibaba's OSS or by Amazon's S3 protocol.
struct object_store_config {
  std::string scheme = "https";
  std::string endpoint; // host, with a port if need be
  std::string region;   // S3 alone
  std::string bucket;
  std::string prefix; // of all names
  std::string key_id; // empty: nothing is signed
  std::string key_secret;
  http_config http;

  bool operator==(const object_store_config&) const = default;
};

struct backend_config {
  std::string kind = "localfs"; // as the configuration spells it
  localfs_config localfs;       // if kind is localfs
  registry_config registry;     // if kind is registry
  object_store_config objects;  // if kind is oss or s3

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
