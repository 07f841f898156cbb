// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v6/chunk_table.hpp"

#include <algorithm>
#include <cstring>
#include <string>

namespace nydus::rafs_v6 {

namespace {

// What a record is of: blob (8 bits), then index in it (24).
constexpr unsigned blob_shift = 24;
constexpr std::uint32_t highest_index = 0xffffff;
constexpr std::uint32_t no_record = 0xffffffff;

failure wrong(std::size_t position, const std::string& what) {
  return {errc::corrupt, "RAFS v6 chunk table, record " + std::to_string(position) + ": " + what};
}

failure twice(std::size_t position, std::size_t other) {
  return wrong(position, "it is the same chunk as record " + std::to_string(other));
}

/// Positions of one blob's records by their indexes, put where they belong: the image has most of its chunks.
result<void> place(std::span<const std::uint32_t> keys, std::span<std::uint32_t> positions,
                   std::uint32_t last_index) {
  std::vector<std::uint32_t> slots(last_index + std::size_t{1}, no_record);
  for (const auto position : positions) {
    auto& slot = slots[keys[position] & highest_index];
    if (slot != no_record)
      return twice(position, slot);
    slot = position;
  }
  std::copy_if(slots.begin(), slots.end(), positions.begin(),
               [](std::uint32_t one) { return one != no_record; });
  return {};
}

/// The same where the image has few.
result<void> sort(std::span<const std::uint32_t> keys, std::span<std::uint32_t> positions) {
  std::sort(positions.begin(), positions.end(),
            [&](std::uint32_t left, std::uint32_t right) { return keys[left] < keys[right]; });
  for (std::size_t i = 1; i < positions.size(); ++i)
    if (keys[positions[i]] == keys[positions[i - 1]])
      return twice(positions[i], positions[i - 1]);
  return {};
}

} // namespace

result<chunk_table> chunk_table::read(std::span<const std::byte> records, std::size_t blob_count) {
  chunk_table table;
  table.records_ = records;
  const auto count = records.size() / sizeof(chunk_record);
  if (count >= no_record)
    return failure{errc::corrupt, "RAFS v6 chunk table has " + std::to_string(count) + " records"};
  std::vector<std::uint32_t> keys(count);
  std::vector<std::uint32_t> last_indexes(blob_count);
  table.starts_.resize(blob_count + 1);
  for (std::size_t position = 0; position < count; ++position) {
    const auto record = table.record_at(position);
    const std::uint32_t blob_index = record.blob_index;
    const std::uint32_t index = record.index;
    if (blob_index >= blob_count || index > highest_index)
      return wrong(position, "blob_index is " + std::to_string(blob_index) + " of " +
                                 std::to_string(blob_count) + ", index " + std::to_string(index));
    keys[position] = blob_index << blob_shift | index;
    last_indexes[blob_index] = std::max(last_indexes[blob_index], index);
    ++table.starts_[blob_index + 1];
  }
  for (std::size_t i = 1; i <= blob_count; ++i)
    table.starts_[i] += table.starts_[i - 1];
  table.order_.resize(count);
  auto next = table.starts_;
  for (std::uint32_t position = 0; position < count; ++position)
    table.order_[next[keys[position] >> blob_shift]++] = position;
  for (std::size_t i = 0; i < blob_count; ++i) {
    const auto positions =
        std::span{table.order_}.subspan(table.starts_[i], table.starts_[i + 1] - table.starts_[i]);
    auto ordered = last_indexes[i] / 4 <= positions.size() ? place(keys, positions, last_indexes[i])
                                                           : sort(keys, positions);
    if (!ordered)
      return ordered.error();
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
