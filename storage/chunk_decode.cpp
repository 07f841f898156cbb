// SPDX-License-Identifier: Apache-2.0
#include "storage/chunk_decode.hpp"

#include <string>

#include "metadata/crc32c.hpp"
#include "storage/decompress.hpp"

namespace nydus {

namespace {

std::string name_of(const chunk& named, const blob& source) {
  return "chunk " + std::to_string(named.index) + " at " + std::to_string(named.compressed_offset) +
         " of blob " + source.id;
}

} // namespace

result<void> check_chunk(const chunk& expected, const blob& source, std::span<const std::byte> plain,
                         bool check_digest) {
  if (!source.has_data_digests)
    return {};
  if (check_digest) {
    const auto found = digest_of(source.digests, plain);
    if (found != expected.digest)
      return failure{errc::corrupt, name_of(expected, source) + ": its " + to_string(source.digests) +
                                        " digest is " + to_hex(found) + ", the image says " +
                                        to_hex(expected.digest)};
  } else if (expected.has_crc32c) {
    const auto found = crc32c(plain);
    if (found != expected.crc32c)
      return failure{errc::corrupt, name_of(expected, source) + ": its CRC-32C is " + std::to_string(found) +
                                        ", the image says " + std::to_string(expected.crc32c)};
  }
  return {};
}

result<void> decode_chunk(const chunk& expected, const blob& source, std::span<const std::byte> stored,
                          std::span<std::byte> plain, bool check_digest) {
  const auto kind = expected.is_compressed ? source.compression : compressor::none;
  if (auto decoded = decompress(kind, stored, plain); !decoded)
    return failure{decoded.error().code, name_of(expected, source) + ": " + decoded.error().detail};
  return check_chunk(expected, source, plain, check_digest);
}

} // namespace nydus
