// SPDX-License-Identifier: Apache-2.0
// The digests that name chunks, inodes and blobs: BLAKE3 and SHA-256, plain, 32 bytes (RAFS v5 spec section
// 11).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace nydus {

enum class digester : std::uint8_t { blake3 = 0, sha256 = 1 }; // ids as in blob metadata

using digest_bytes = std::array<std::uint8_t, 32>;

/// The digest of `bytes` in one call.
digest_bytes digest_of(digester kind, std::span<const std::byte> bytes) noexcept;

/// Lower-case hex, 64 characters.
std::string to_hex(const digest_bytes& digest);

const char* to_string(digester kind) noexcept;

/// Feeds bytes piece by piece. Owned by one thread at a time.
class digest_stream {
public:
  explicit digest_stream(digester kind);
  digest_stream(digest_stream&&) noexcept;
  digest_stream& operator=(digest_stream&&) noexcept;
  ~digest_stream();

  void update(std::span<const std::byte> bytes) noexcept;
  /// The digest of all that was fed; call once.
  digest_bytes finish() noexcept;

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace nydus
