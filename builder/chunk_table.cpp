// SPDX-License-Identifier: Apache-2.0
#include "builder/chunk_table.hpp"

#include <array>
#include <cstring>
#include <random>
#include <utility>

namespace nydus::builder {

namespace {
constexpr std::size_t first_slot_count = 4096; // power of two, as all that follow
}

chunk_table::chunk_table() : slots_(first_slot_count, 0) {
  std::random_device random;
  seed_ = (std::uint64_t{random()} << 32) | random();
}

std::size_t chunk_table::slot_of(const digest_bytes& digest) const noexcept {
  std::array<std::uint64_t, 4> words;
  std::memcpy(words.data(), digest.data(), sizeof words);
  auto hash = seed_;
  for (const auto word : words) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15; // 2^64 / golden ratio: an odd number that spreads
    hash ^= hash >> 32;
  }
  auto slot = static_cast<std::size_t>(hash) & (slots_.size() - 1);
  while (slots_[slot] != 0 && records_[slots_[slot] - 1].digest != digest)
    slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

void chunk_table::grow() {
  const auto old = std::exchange(slots_, std::vector<std::uint32_t>(slots_.size() * 2, 0));
  for (const auto entry : old)
    if (entry != 0)
      slots_[slot_of(records_[entry - 1].digest)] = entry;
}

std::uint32_t chunk_table::add(const rafs_v5::chunk_record& record) {
  if ((used_ + 1) * 2 > slots_.size())
    grow();
  const auto slot = slot_of(record.digest);
  records_.push_back(record);
  if (slots_[slot] == 0) {
    slots_[slot] = size();
    ++used_;
  }
  return size() - 1;
}

std::optional<std::uint32_t> chunk_table::find(const digest_bytes& digest,
                                               std::uint32_t uncompressed_size) const {
  const auto entry = slots_[slot_of(digest)];
  if (entry == 0 || records_[entry - 1].uncompressed_size != uncompressed_size)
    return std::nullopt;
  return entry - 1;
}

} // namespace nydus::builder
