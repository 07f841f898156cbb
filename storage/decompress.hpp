// SPDX-License-Identifier: Apache-2.0
// Decodes stored bytes of one chunk with the image's compressor.
#pragma once

#include <cstddef>
#include <span>

#include "metadata/compression.hpp"
#include "protocol/result.hpp"

namespace nydus {

/// Fills `plain` exactly from `stored`. corrupt if the bytes do not decode to that many: more (a bomb) is
/// never written, fewer never accepted. gzip: bytes behind the end of the member are ignored. Threads: any.
result<void> decompress(compressor kind, std::span<const std::byte> stored, std::span<std::byte> plain);

} // namespace nydus
