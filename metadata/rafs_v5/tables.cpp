// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v5/tables.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace nydus::rafs_v5 {

namespace {

constexpr std::size_t longest_blob_id = 255 - sizeof(".blob.data.chunk_map");

/// An id names files of the cache and the backend, so it has to be a plain file name.
bool is_file_name(std::string_view id) noexcept {
  return !id.empty() && id.size() <= longest_blob_id && id != "." && id != ".." &&
         std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 0x7f && c != '/'; });
}

failure wrong_id(std::size_t index, std::string_view id) {
  return {errc::corrupt, "RAFS v5 blob table: the id of blob " + std::to_string(index) + " (" +
                             std::to_string(id.size()) + " bytes) is no file name"};
}

} // namespace

result<std::vector<blob>> read_blobs(const checked_superblock& checked, std::span<const std::byte> image,
                                     const std::string& image_name) {
  const auto& fields = checked.fields();
  std::vector<blob> blobs;
  auto rest = image.subspan(fields.blob_table_size == 0 ? 0 : std::size_t{fields.blob_table_offset},
                            fields.blob_table_size);
  while (rest.size() > sizeof(blob_table_entry)) {
    blob_table_entry entry;
    std::memcpy(&entry, rest.data(), sizeof entry);
    rest = rest.subspan(sizeof entry);
    const std::string_view text{reinterpret_cast<const char*>(rest.data()), rest.size()};
    const auto id = text.substr(0, std::min(text.find('\0'), text.size()));
    if (!is_file_name(id))
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
  const std::uint32_t extended_count = fields.extended_blob_table_entries;
  if (fields.extended_blob_table_offset == 0 || extended_count == 0)
    return blobs;
  if (extended_count < blobs.size())
    return failure{errc::corrupt, "RAFS v5 extended blob table has " + std::to_string(extended_count) +
                                      " entries for " + std::to_string(blobs.size()) + " blobs"};
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    extended_blob entry;
    std::memcpy(&entry, image.data() + fields.extended_blob_table_offset + i * sizeof entry, sizeof entry);
    auto& one = blobs[i];
    one.chunk_count = entry.chunk_count;
    one.features = entry.features;
    one.uncompressed_size = entry.uncompressed_size;
    one.compressed_size = entry.compressed_size;
    // A cache file is made that large: beyond what chunks of the image can fill, the field lies.
    if (one.uncompressed_size > std::uint64_t{one.chunk_count} * one.chunk_size)
      return failure{errc::corrupt, "RAFS v5 extended blob table: blob " + std::to_string(i) + " has " +
                                        std::to_string(one.uncompressed_size) + " bytes in " +
                                        std::to_string(one.chunk_count) + " chunks"};
    if ((one.features & blob_feature::inlined_fs_meta) != 0) {
      one.id = image_name.substr(0, image_name.find('.'));
      if (!is_file_name(one.id))
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
