// SPDX-License-Identifier: Apache-2.0
// THE FACE of storage/ towards the places that hold blobs: a directory today, registries and object stores
// later.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

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
/// Threads: read() and size() may be called from any thread, several at once. `done` runs once, on the
/// caller's thread
///   before read() returns (a directory blocks) or on a thread of the backend (a network one does not).
/// Failures: not_found (no such blob), malformed (the range ends behind the blob's end), backend_down. Each
/// names the
///   blob and the cause. Retries are the backend's affair. A failure is never remembered.
class blob_backend {
public:
  using read_done = std::function<void(result<owned_bytes>)>;
  virtual ~blob_backend() = default;

  virtual void read(const blob_range& range, read_done done) = 0;
  /// Bytes of the whole blob. Blocks.
  virtual result<std::uint64_t> size(std::string_view blob_id) = 0;
};

/// The backend that `config` names. not_supported for a known kind that this build lacks.
result<std::shared_ptr<blob_backend>> make_blob_backend(const backend_config& config);

} // namespace nydus
