// SPDX-License-Identifier: Apache-2.0
// A buffer with one owner, not zeroed when made. Shared onwards as shared_bytes, which nobody changes.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace nydus {

class owned_bytes {
public:
  owned_bytes() = default;
  explicit owned_bytes(std::size_t size)
      : bytes_(std::make_unique_for_overwrite<std::byte[]>(size)), size_(size) {}
  owned_bytes(owned_bytes&& other) noexcept
      : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
  owned_bytes& operator=(owned_bytes&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  std::size_t size() const noexcept { return size_; }
  std::span<std::byte> span() noexcept { return {bytes_.get(), size_}; }
  std::span<const std::byte> span() const noexcept { return {bytes_.get(), size_}; }

private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
};

using shared_bytes = std::shared_ptr<const owned_bytes>;

} // namespace nydus
