// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v5/tables.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "metadata/blob_id.hpp"

namespace nydus::rafs_v5 {

namespace {

constexpr std::size_t most_blobs =
    4096; // a builder makes 256 at most; bounds what a lying table can have us allocate

failure wrong_blob(std::size_t index, const std::string& what) {
  return {errc::corrupt, "RAFS v5 blob " + std::to_string(index) + ": " + what};
}

failure wrong_id(std::size_t index, std::string_view id) {
  return wrong_blob(index, "its id (" + std::to_string(id.size()) + " bytes) is no file name");
}

/// Ids alone; what else the superblock says is the same for all.
result<std::vector<blob>> read_blob_table(const checked_superblock& checked,
                                          std::span<const std::byte> image) {
  const auto& fields = checked.fields();
  std::vector<blob> blobs;
  if (fields.blob_table_size == 0)
    return blobs;
  auto rest = image.subspan(fields.blob_table_offset, fields.blob_table_size);
  while (rest.size() > sizeof(blob_table_entry)) {
    if (blobs.size() == most_blobs)
      return wrong_blob(blobs.size(), "there are more than " + std::to_string(most_blobs));
    blob_table_entry entry;
    std::memcpy(&entry, rest.data(), sizeof entry);
    rest = rest.subspan(sizeof entry);
    const std::string_view text{reinterpret_cast<const char*>(rest.data()), rest.size()};
    const auto id = text.substr(0, text.find('\0'));
    if (!is_blob_id(id))
      return wrong_id(blobs.size(), id);
    rest = rest.subspan(std::min(id.size() + 1, rest.size()));
    blob one;
    one.id = id;
    one.compression = checked.compression();
    one.digests = checked.digests();
    one.chunk_size = fields.block_size;
    one.readahead_size = entry.readahead_size;
    one.has_data_digests = one.compression != compressor::gzip; // legacy stargz (section 11)
    blobs.push_back(std::move(one));
  }
  return blobs;
}

result<void> read_extension(const extended_blob& entry, std::size_t index, blob& one) {
  one.features = entry.features;
  if (entry.chunk_count == 0)
    return {}; // inherited from an image without this table: as if there were no entry (section 17.1)
  if (entry.chunk_count > maximum_chunk_count)
    return wrong_blob(index, "chunk_count is " + std::to_string(entry.chunk_count));
  // A cache file is made that large: beyond what chunks of the image can fill, the field lies.
  if (entry.uncompressed_size > std::uint64_t{entry.chunk_count} * one.chunk_size)
    return wrong_blob(index, "uncompressed_size is " + std::to_string(entry.uncompressed_size) + " with " +
                                 std::to_string(entry.chunk_count) + " chunks");
  if (entry.compressed_size > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
    return wrong_blob(index, "compressed_size is " + std::to_string(entry.compressed_size));
  one.chunk_count = entry.chunk_count;
  one.uncompressed_size = entry.uncompressed_size;
  one.file_size = one.compressed_size = entry.compressed_size;
  return {};
}

/// Whether the blob holds its own bootstrap: that was written before the blob's digest could be known
/// (section 14).
bool lacks_own_id(const blob& one) noexcept {
  const bool holds_bootstrap = (one.features & blob_feature::inlined_fs_meta) != 0 &&
                               (one.features & (blob_feature::separate | blob_feature::external)) == 0;
  return holds_bootstrap || is_placeholder_id(one.id);
}

} // namespace

result<std::vector<blob>> read_blobs(const checked_superblock& checked, std::span<const std::byte> image,
                                     const std::string& image_name) {
  const auto& fields = checked.fields();
  auto blobs = read_blob_table(checked, image);
  if (!blobs)
    return blobs;
  const std::uint32_t extended_count = fields.extended_blob_table_entries;
  if (extended_count != 0 && extended_count < blobs->size())
    return failure{errc::corrupt, "RAFS v5 extended blob table has " + std::to_string(extended_count) +
                                      " entries for " + std::to_string(blobs->size()) + " blobs"};
  for (std::size_t i = 0; i < blobs->size(); ++i) {
    auto& one = (*blobs)[i];
    if (extended_count != 0) {
      extended_blob entry;
      std::memcpy(&entry, image.data() + fields.extended_blob_table_offset + i * sizeof entry, sizeof entry);
      if (auto read = read_extension(entry, i, one); !read)
        return read.error();
    }
    if (lacks_own_id(one)) {
      one.id = blob_id_of(image_name);
      if (!is_blob_id(one.id))
        return wrong_id(i, one.id);
    }
  }
  return blobs;
}

std::vector<inode_number> read_prefetch_list(const checked_superblock& checked,
                                             std::span<const std::byte> image) {
  const auto& fields = checked.fields();
  std::vector<inode_number> list;
  for (std::uint32_t i = 0; i < fields.prefetch_table_entries; ++i) {
    le32 entry;
    std::memcpy(&entry, image.data() + fields.prefetch_table_offset + std::size_t{i} * sizeof entry,
                sizeof entry);
    if (entry == 0)
      break;
    list.push_back(inode_number{std::uint32_t{entry}});
  }
  return list;
}

} // namespace nydus::rafs_v5
