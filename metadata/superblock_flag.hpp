// SPDX-License-Identifier: Apache-2.0
// The flag word of RAFS superblocks, the same in v5 (spec section 2) and v6 (spec section 3).
#pragma once

#include <cstdint>

#include "metadata/compression.hpp"
#include "metadata/digest.hpp"

namespace nydus::superblock_flag {

constexpr std::uint64_t compression_none = 0x1;
constexpr std::uint64_t compression_lz4 = 0x2;
constexpr std::uint64_t hash_blake3 = 0x4;
constexpr std::uint64_t hash_sha256 = 0x8;
constexpr std::uint64_t explicit_uid_gid = 0x10;
constexpr std::uint64_t has_xattr = 0x20;
constexpr std::uint64_t compression_gzip = 0x40;
constexpr std::uint64_t compression_zstd = 0x80;
constexpr std::uint64_t inlined_chunk_digest = 0x100; // v6 alone, as all below
constexpr std::uint64_t tarfs_mode = 0x200;
constexpr std::uint64_t encryption_none = 0x01000000;
constexpr std::uint64_t accepted = 0xff0003ff; // any other bit: not for this reader

constexpr std::uint64_t of(compressor kind) noexcept {
  switch (kind) {
  case compressor::none:
    return compression_none;
  case compressor::lz4_block:
    return compression_lz4;
  case compressor::gzip:
    return compression_gzip;
  case compressor::zstd:
    return compression_zstd;
  }
  return 0;
}

constexpr std::uint64_t of(digester kind) noexcept {
  return kind == digester::blake3 ? hash_blake3 : hash_sha256;
}

} // namespace nydus::superblock_flag
