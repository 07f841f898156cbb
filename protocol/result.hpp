// SPDX-License-Identifier: Apache-2.0
// result<T>: a value or the failure that stands in its place. No exception crosses a folder.
#pragma once

#include <cassert>
#include <optional>
#include <utility>
#include <variant>

#include "protocol/failure.hpp"

namespace nydus {

/// A T or a failure. Test with `if (r)`, then `*r` or `r->`; else `r.error()`.
template <class T>
class [[nodiscard]] result {
public:
  result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  result(failure why) : state_(std::in_place_index<1>, std::move(why)) {}

  explicit operator bool() const noexcept { return state_.index() == 0; }
  T& operator*() & noexcept { return std::get<0>(state_); }
  const T& operator*() const& noexcept { return std::get<0>(state_); }
  T&& operator*() && noexcept { return std::move(std::get<0>(state_)); }
  T* operator->() noexcept { return &std::get<0>(state_); }
  const T* operator->() const noexcept { return &std::get<0>(state_); }
  const failure& error() const& noexcept { return std::get<1>(state_); }
  failure&& error() && noexcept { return std::move(std::get<1>(state_)); }

private:
  std::variant<T, failure> state_;
};

/// Nothing or a failure; `{}` is success.
template <>
class [[nodiscard]] result<void> {
public:
  result() = default;
  result(failure why) : failure_(std::move(why)) {}

  explicit operator bool() const noexcept { return !failure_; }
  const failure& error() const& noexcept { return *failure_; }
  failure&& error() && noexcept { return std::move(*failure_); }

private:
  std::optional<failure> failure_;
};

} // namespace nydus
