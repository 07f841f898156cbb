// SPDX-License-Identifier: Apache-2.0
// Writes records one behind the other, and what is to lie between them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "builder/output_file.hpp"

namespace nydus::builder {

/// Writing goes on after a failure, which outcome() then gives: its users stay free of checks.
class record_output {
public:
  explicit record_output(output_file& out) noexcept : out_(out) {}

  template <class Record>
  void put(const Record& record) {
    put_bytes(std::as_bytes(std::span{&record, 1}));
  }
  void put_bytes(std::span<const std::byte> bytes) {
    if (so_far_)
      so_far_ = out_.write(bytes);
    offset_ += bytes.size();
  }
  /// Zeros up to that many bytes from the first one.
  void pad_to(std::uint64_t offset) {
    static constexpr std::array<std::byte, 4096> zeros{};
    while (offset_ < offset)
      put_bytes(std::span{zeros}.first(std::min<std::uint64_t>(offset - offset_, zeros.size())));
  }

  std::uint64_t offset() const noexcept { return offset_; }
  /// The first failure.
  const result<void>& outcome() const noexcept { return so_far_; }

private:
  output_file& out_;
  std::uint64_t offset_ = 0; // written
  result<void> so_far_;
};

} // namespace nydus::builder
