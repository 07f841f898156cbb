// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v6/chunk_table.hpp"

#include <algorithm>
#include <cstring>
#include <string>

namespace nydus::rafs_v6 {

namespace {

// A sort key: blob (8 bits), index in it (24), position in the table (32).
constexpr unsigned index_shift = 32;
constexpr unsigned blob_shift = 56;
constexpr std::uint32_t highest_index = 0xffffff;

failure wrong(std::size_t position, const std::string& what) {
  return {errc::corrupt, "RAFS v6 chunk table, record " + std::to_string(position) + ": " + what};
}

} // namespace

result<chunk_table> chunk_table::read(std::span<const std::byte> records, std::size_t blob_count) {
  chunk_table table;
  table.records_ = records;
  const auto count = records.size() / sizeof(chunk_record);
  if (count > 0xffffffff)
    return failure{errc::corrupt, "RAFS v6 chunk table has " + std::to_string(count) + " records"};
  std::vector<std::uint64_t> keys(count);
  table.starts_.resize(blob_count + 1);
  for (std::size_t position = 0; position < count; ++position) {
    const auto record = table.record_at(position);
    if (record.blob_index >= blob_count || record.index > highest_index)
      return wrong(position, "blob_index is " + std::to_string(record.blob_index) + " of " +
                                 std::to_string(blob_count) + ", index " + std::to_string(record.index));
    keys[position] = std::uint64_t{record.blob_index} << blob_shift |
                     std::uint64_t{record.index} << index_shift | position;
    ++table.starts_[record.blob_index + 1];
  }
  for (std::size_t i = 1; i <= blob_count; ++i)
    table.starts_[i] += table.starts_[i - 1];
  std::sort(keys.begin(), keys.end());
  table.order_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    table.order_[i] = static_cast<std::uint32_t>(keys[i]);
    if (i != 0 && keys[i] >> index_shift == keys[i - 1] >> index_shift)
      return wrong(table.order_[i], "it is the same chunk as record " + std::to_string(table.order_[i - 1]));
  }
  return table;
}

chunk_record chunk_table::record_at(std::size_t position) const noexcept {
  chunk_record record;
  std::memcpy(&record, records_.data() + position * sizeof record, sizeof record);
  return record;
}

std::optional<chunk_record> chunk_table::find(std::uint32_t blob_index, std::uint32_t index) const noexcept {
  if (blob_index + std::size_t{1} >= starts_.size())
    return std::nullopt;
  // A chunk cannot lie behind its index; where the image has all chunks of the blob, it lies right there.
  auto low = starts_[blob_index];
  auto high = std::min(starts_[blob_index + 1], low + index + 1);
  for (auto guess = high - 1; low < high; guess = low + (high - low) / 2) {
    const auto record = record_at(order_[guess]);
    if (record.index == index)
      return record;
    if (record.index < index)
      low = guess + 1;
    else
      high = guess;
  }
  return std::nullopt;
}

} // namespace nydus::rafs_v6
