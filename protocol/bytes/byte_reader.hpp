// SPDX-License-Identifier: Apache-2.0
// Copies records out of untrusted bytes, front to back. On failure nothing is consumed.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "protocol/result.hpp"

namespace nydus {

class byte_reader {
public:
  explicit byte_reader(std::span<const std::byte> bytes) noexcept : rest_(bytes) {}

  std::size_t remaining() const noexcept { return rest_.size(); }

  /// The next sizeof(T) bytes as a T. malformed if there are fewer.
  template <class T>
  requires std::is_trivially_copyable_v<T> result<T> take() {
    if (rest_.size() < sizeof(T))
      return failure{errc::malformed, "record is cut short"};
    T value;
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }

  /// The next `count` bytes, borrowed. malformed if there are fewer.
  result<std::span<const std::byte>> take_bytes(std::size_t count) {
    if (rest_.size() < count)
      return failure{errc::malformed, "bytes are cut short"};
    auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  /// The bytes up to the next NUL, which is consumed and not returned. malformed if there is none.
  result<std::string_view> take_c_string() {
    const auto* begin = reinterpret_cast<const char*>(rest_.data());
    const auto* nul = rest_.empty() ? nullptr : static_cast<const char*>(std::memchr(begin, 0, rest_.size()));
    if (nul == nullptr)
      return failure{errc::malformed, "string has no end"};
    const auto length = static_cast<std::size_t>(nul - begin);
    rest_ = rest_.subspan(length + 1);
    return std::string_view{begin, length};
  }

private:
  std::span<const std::byte> rest_;
};

} // namespace nydus
