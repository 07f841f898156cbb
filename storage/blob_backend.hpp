// SPDX-License-Identifier: Apache-2.0
// THE FACE of storage/ towards the places that hold blobs: a directory, a registry, an object store.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "protocol/bytes/owned_bytes.hpp"
#include "protocol/result.hpp"
#include "storage/backend_config.hpp"

namespace nydus {

/// `size` bytes of blob `blob_id` from `offset`.
struct blob_range {
  std::string blob_id;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// A place that blobs can be read from.
///
/// Threads: all members may be called from any thread, several at once. read() blocks; `done` runs once, on
/// the
///   caller's thread before read() returns.
/// Failures: not_found (no such blob), malformed (the id is no name), backend_down (all else, a range that
/// ends
///   behind the blob's end included: a blob cut short is an I/O error to its reader). Each names the blob and
///   the cause. Retries are the backend's affair. A failure is never remembered.
class blob_backend {
public:
  using read_done = std::function<void(result<owned_bytes>)>;
  virtual ~blob_backend() = default;

  virtual void read(const blob_range& range, read_done done) = 0;
  /// From now on asks with these credentials (base64 of user:password); nothing to a backend without any.
  virtual void set_auth(const std::string& /*auth*/) {}
};

/// The backend that `config` names. not_supported for a known kind that this build lacks, malformed for
/// others.
result<std::shared_ptr<blob_backend>> make_blob_backend(const backend_config& config);

} // namespace nydus
