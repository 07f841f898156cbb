// SPDX-License-Identifier: Apache-2.0
// Repeatable chance: the same seed and round always give the same throws (splitmix64).
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace nydus::hostile {

class dice {
public:
  dice(std::uint64_t seed, std::uint64_t round) noexcept : state_(seed * 0x9e3779b97f4a7c15 ^ round << 20) {}

  std::uint64_t any() noexcept {
    std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
  }
  /// 0 .. limit - 1
  std::uint64_t below(std::uint64_t limit) noexcept { return any() % limit; }
  bool one_in(std::uint64_t count) noexcept { return below(count) == 0; }
  template <class T>
  T one_of(std::initializer_list<T> values) noexcept {
    return values.begin()[below(values.size())];
  }
  template <class T>
  T number() noexcept {
    return static_cast<T>(any());
  }
  void fill(std::span<std::byte> bytes) noexcept {
    for (auto& each : bytes)
      each = static_cast<std::byte>(any());
  }

private:
  std::uint64_t state_;
};

} // namespace nydus::hostile
