// SPDX-License-Identifier: Apache-2.0
#include "metadata/crc32c.hpp"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace nydus {
namespace {

constexpr std::uint32_t polynomial = 0x82f63b78; // reflected

using lookup_table = std::array<std::array<std::uint32_t, 256>, 8>;

/// Row 0 advances a byte's remainder by one byte, row k by k + 1 bytes.
constexpr lookup_table make_rows() {
  lookup_table rows{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    auto remainder = byte;
    for (int bit = 0; bit < 8; ++bit)
      remainder = (remainder & 1) != 0 ? (remainder >> 1) ^ polynomial : remainder >> 1;
    rows[0][byte] = remainder;
  }
  for (std::size_t row = 1; row < rows.size(); ++row)
    for (std::size_t byte = 0; byte < 256; ++byte)
      rows[row][byte] = (rows[row - 1][byte] >> 8) ^ rows[0][rows[row - 1][byte] & 0xff];
  return rows;
}

constexpr lookup_table rows = make_rows();

std::uint64_t load_word(const std::byte* at) noexcept {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_by_instruction(std::span<const std::byte> bytes,
                                                                      std::uint32_t before) noexcept {
  std::uint64_t remainder = ~before;
  const auto* at = bytes.data();
  auto rest = bytes.size();
  for (; rest >= 8; at += 8, rest -= 8)
    remainder = _mm_crc32_u64(remainder, load_word(at));
  auto low = static_cast<std::uint32_t>(remainder);
  for (; rest > 0; ++at, --rest)
    low = _mm_crc32_u8(low, std::to_integer<unsigned char>(*at));
  return ~low;
}
#endif

} // namespace

std::uint32_t crc32c_by_table(std::span<const std::byte> bytes, std::uint32_t before) noexcept {
  auto remainder = ~before;
  const auto* at = bytes.data();
  auto rest = bytes.size();
  if constexpr (std::endian::native == std::endian::little) {
    for (; rest >= 8; at += 8, rest -= 8) {
      const auto word = load_word(at) ^ remainder;
      remainder = 0;
      for (std::size_t byte = 0; byte < 8; ++byte)
        remainder ^= rows[7 - byte][(word >> (8 * byte)) & 0xff];
    }
  }
  for (; rest > 0; ++at, --rest)
    remainder = (remainder >> 8) ^ rows[0][(remainder ^ std::to_integer<std::uint32_t>(*at)) & 0xff];
  return ~remainder;
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before) noexcept {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction)
    return crc32c_by_instruction(bytes, before);
#endif
  return crc32c_by_table(bytes, before);
}

} // namespace nydus
