// SPDX-License-Identifier: Apache-2.0
// Little-endian integers of alignment 1, for on-disk and ring records: no packing, no casts, no swaps in
// callers.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace nydus {

template <class Integer>
class little_endian {
public:
  little_endian() = default;
  constexpr little_endian(Integer value) noexcept { *this = value; }

  constexpr little_endian& operator=(Integer value) noexcept {
    if (!std::is_constant_evaluated() && std::endian::native == std::endian::little) {
      std::memcpy(bytes_.data(), &value, sizeof value);
      return *this;
    }
    for (auto& byte : bytes_) {
      byte = static_cast<unsigned char>(value & 0xff);
      value = static_cast<Integer>(value >> 4 >> 4);
    }
    return *this;
  }
  constexpr operator Integer() const noexcept {
    if (!std::is_constant_evaluated() && std::endian::native == std::endian::little) {
      Integer value;
      std::memcpy(&value, bytes_.data(), sizeof value);
      return value;
    }
    Integer value = 0;
    for (auto i = bytes_.size(); i-- > 0;)
      value = static_cast<Integer>(static_cast<Integer>(value << 4 << 4) | bytes_[i]);
    return value;
  }

private:
  std::array<unsigned char, sizeof(Integer)> bytes_{};
};

using le16 = little_endian<std::uint16_t>;
using le32 = little_endian<std::uint32_t>;
using le64 = little_endian<std::uint64_t>;

static_assert(sizeof(le16) == 2 && sizeof(le32) == 4 && sizeof(le64) == 8 && alignof(le64) == 1);
static_assert(std::is_trivially_copyable_v<le32>);

} // namespace nydus
