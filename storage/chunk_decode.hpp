// SPDX-License-Identifier: Apache-2.0
// From stored bytes to the checked bytes of a chunk: nothing is served or kept that did not come through
// here.
#pragma once

#include <span>

#include "metadata/blob.hpp"
#include "metadata/chunk.hpp"
#include "protocol/result.hpp"

namespace nydus {

/// Checks decompressed bytes against the chunk: its digest, or where `check_digest` is false its CRC-32C if
/// it has one. corrupt names the chunk and both values. Legacy gzip images have no digests of data: nothing
/// is checked.
result<void> check_chunk(const chunk& expected, const blob& source, std::span<const std::byte> plain,
                         bool check_digest);

/// Decompresses (or copies) `stored` into `plain`, which has uncompressed_size bytes, and checks it.
result<void> decode_chunk(const chunk& expected, const blob& source, std::span<const std::byte> stored,
                          std::span<std::byte> plain, bool check_digest);

} // namespace nydus
