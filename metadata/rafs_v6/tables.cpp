// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v6/tables.hpp"

#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "metadata/blob_id.hpp"

namespace nydus::rafs_v6 {

namespace {

constexpr std::uint64_t highest_compressed_size = std::uint64_t{1} << 40;
constexpr std::uint64_t tar_header_size = 512;
constexpr std::uint64_t chunk_info_size = 16;
constexpr std::uint64_t chunk_info_v2_size = 24;

failure wrong_blob(std::size_t index, const std::string& what) {
  return {errc::corrupt, "RAFS v6 blob " + std::to_string(index) + ": " + what};
}

std::string_view text_of(const std::array<char, 64>& field) noexcept {
  const std::string_view all{field.data(), field.size()};
  return all.substr(0, all.find('\0'));
}

/// Ways to store chunks of which the bootstrap does not tell enough.
result<void> check_features(std::size_t index, const blob_entry& entry) {
  const std::uint32_t features = entry.features;
  if ((features & blob_feature::refused) != 0)
    return wrong_blob(index, "b_features has unknown bits: " + std::to_string(features));
  for (const auto& [bit, name] : std::array<std::pair<std::uint32_t, const char*>, 6>{{
           {blob_feature::tarfs, "are parts of a tar file (TARFS)"},
           {blob_feature::zran, "are parts of a gzip stream (ZRAN)"},
           {blob_feature::separate, "lie in another blob (SEPARATE)"},
           {blob_feature::batch, "are compressed in batches (BATCH)"},
           {blob_feature::encrypted, "are encrypted (ENCRYPTED)"},
           {blob_feature::external, "lie outside of all blobs (EXTERNAL)"},
       }})
    if ((features & bit) != 0)
      return failure{errc::not_supported, "RAFS v6 blob " + std::to_string(index) + ": its chunks " + name +
                                              ", which this build does not read"};
  if (entry.compression == static_cast<std::uint32_t>(compressor::gzip))
    return failure{errc::not_supported, "RAFS v6 blob " + std::to_string(index) +
                                            ": its chunks are gzip members, which this build does not read"};
  if ((features & blob_feature::aligned) == 0)
    return wrong_blob(index, "b_features is " + std::to_string(features) + ", without ALIGNED");
  return {};
}

result<void> check_numbers(std::size_t index, const blob_entry& entry, std::uint32_t chunk_size) {
  if (entry.blob_index != index)
    return wrong_blob(index, "b_blob_index is " + std::to_string(entry.blob_index));
  if (entry.chunk_size != chunk_size)
    return wrong_blob(index, "b_chunk_size is " + std::to_string(entry.chunk_size) + ", the image's is " +
                                 std::to_string(chunk_size));
  const std::uint64_t chunk_count = entry.chunk_count;
  if (chunk_count == 0 || chunk_count > maximum_chunk_count)
    return wrong_blob(index, "b_chunk_count is " + std::to_string(chunk_count) + "; 1 to 16777216 is right");
  if (entry.compression > static_cast<std::uint32_t>(compressor::zstd))
    return wrong_blob(index, "b_compression_algo is " + std::to_string(entry.compression));
  if (entry.digests > static_cast<std::uint32_t>(digester::sha256))
    return wrong_blob(index, "b_digest_algo is " + std::to_string(entry.digests));
  if (entry.compressed_size > highest_compressed_size)
    return wrong_blob(index, "b_compressed_size is " + std::to_string(entry.compressed_size));
  // A cache file is made that large: beyond what chunks of the image can fill, the field lies.
  if (entry.uncompressed_size == 0 || entry.uncompressed_size > chunk_count * chunk_size)
    return wrong_blob(index, "b_uncompressed_size is " + std::to_string(entry.uncompressed_size) + " with " +
                                 std::to_string(chunk_count) + " chunks");
  const std::uint64_t infos_size = entry.chunk_infos_uncompressed_size;
  const bool has_v2 = (entry.features & blob_feature::chunk_info_v2) != 0;
  if (infos_size != 0 && infos_size != chunk_count * (has_v2 ? chunk_info_v2_size : chunk_info_size))
    return wrong_blob(index, "b_ci_uncompressed_size is " + std::to_string(infos_size) + " with " +
                                 std::to_string(chunk_count) + " chunks");
  if (entry.chunk_infos_compressed_size > infos_size || entry.chunk_infos_offset > highest_compressed_size)
    return wrong_blob(index, "chunk infos of " + std::to_string(entry.chunk_infos_compressed_size) +
                                 " bytes at " + std::to_string(entry.chunk_infos_offset));
  return {};
}

/// Bytes at the blob's head in which chunks lie (section 5.4).
result<std::uint64_t> data_size(std::size_t index, const blob_entry& entry) {
  const bool has_chunk_infos =
      entry.chunk_infos_compressed_size != 0 && entry.chunk_infos_uncompressed_size != 0;
  if ((entry.features & blob_feature::cap_tar_toc) == 0)
    return std::uint64_t{entry.compressed_size};
  const std::uint64_t end = has_chunk_infos ? entry.chunk_infos_offset : entry.compressed_size;
  const auto header = (entry.features & blob_feature::has_tar_header) != 0 ? tar_header_size : 0;
  if (end <= header)
    return wrong_blob(index, "its chunks end at " + std::to_string(end));
  return end - header;
}

/// Whether the blob holds its own bootstrap: that was written before the blob's digest could be known.
bool lacks_own_id(const blob_entry& entry, std::string_view id) noexcept {
  return (entry.features & blob_feature::inlined_fs_meta) != 0 || is_placeholder_id(id);
}

} // namespace

result<std::vector<blob>> read_blobs(const checked_superblock& checked, std::span<const std::byte> image,
                                     const std::string& image_name) {
  const auto& extended = checked.extended();
  const auto table = image.subspan(extended.blob_table_offset, extended.blob_table_size);
  std::vector<blob> blobs(table.size() / sizeof(blob_entry));
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    blob_entry entry;
    std::memcpy(&entry, table.data() + i * sizeof entry, sizeof entry);
    if (auto features = check_features(i, entry); !features)
      return features.error();
    if (auto numbers = check_numbers(i, entry, extended.chunk_size); !numbers)
      return numbers.error();
    const auto size = data_size(i, entry);
    if (!size)
      return size.error();
    auto& one = blobs[i];
    one.id = lacks_own_id(entry, text_of(entry.blob_id)) ? blob_id_of(image_name) : text_of(entry.blob_id);
    if (!is_blob_id(one.id))
      return wrong_blob(i, "its id (" + std::to_string(one.id.size()) + " bytes) is no file name");
    one.compression = static_cast<compressor>(std::uint32_t{entry.compression});
    one.digests = static_cast<digester>(std::uint32_t{entry.digests});
    one.chunk_size = entry.chunk_size;
    one.chunk_count = entry.chunk_count;
    one.features = entry.features;
    one.file_size = entry.compressed_size;
    one.compressed_size = *size;
    one.uncompressed_size = entry.uncompressed_size;
  }
  return blobs;
}

std::vector<inode_number> read_prefetch_list(const checked_superblock& checked,
                                             std::span<const std::byte> image) {
  std::vector<inode_number> list;
  if (!checked.has_prefetch_table())
    return list;
  const auto& extended = checked.extended();
  auto rest = image.subspan(extended.prefetch_table_offset, extended.prefetch_table_size);
  for (; !rest.empty(); rest = rest.subspan(sizeof(le32))) {
    le32 nid;
    std::memcpy(&nid, rest.data(), sizeof nid);
    if (nid == 0)
      break;
    list.push_back(inode_number{std::uint32_t{nid}});
  }
  return list;
}

} // namespace nydus::rafs_v6
