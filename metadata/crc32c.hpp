// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli), the checksum beside the digest in a chunk record (RAFS v5 spec section 10).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace nydus {

/// The checksum of `bytes`; with `before` = the answer for what precedes them, of both together.
/// Uses the processor's instruction where there is one. Any thread.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0) noexcept;

/// The same without special instructions, for tests and for processors that lack them.
std::uint32_t crc32c_by_table(std::span<const std::byte> bytes, std::uint32_t before = 0) noexcept;

} // namespace nydus
