// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v5/superblock_check.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <string>

namespace nydus::rafs_v5 {

namespace {

failure wrong(const std::string& what) {
  return {errc::corrupt, "RAFS v5 superblock: " + what};
}

struct table {
  const char* name;
  std::uint64_t offset;
  std::uint64_t size;
};

result<void> check_tables(const superblock& fields, std::uint64_t image_size) {
  const std::array<table, 4> tables{{
      {"inode table", fields.inode_table_offset, std::uint64_t{fields.inode_table_entries} * 4},
      {"blob table", fields.blob_table_offset, fields.blob_table_size},
      {"extended blob table", fields.extended_blob_table_offset,
       std::uint64_t{fields.extended_blob_table_entries} * sizeof(extended_blob)},
      {"prefetch table", fields.prefetch_table_offset, std::uint64_t{fields.prefetch_table_entries} * 4},
  }};
  for (const auto& one : tables) {
    if (one.offset % alignment != 0)
      return wrong(std::string{one.name} + " at " + std::to_string(one.offset) + " is not aligned to 8");
    if (one.size == 0)
      continue;
    if (one.offset < superblock_size || one.offset > image_size || one.size > image_size - one.offset)
      return wrong(std::string{one.name} + " of " + std::to_string(one.size) + " bytes at " +
                   std::to_string(one.offset) + " does not lie inside the image of " +
                   std::to_string(image_size));
    for (const auto& other : tables)
      if (&other != &one && other.size != 0 && one.offset < other.offset + other.size &&
          other.offset < one.offset + one.size)
        return wrong(std::string{one.name} + " overlaps the " + other.name);
  }
  return {};
}

} // namespace

bool has_magic(std::span<const std::byte> image) noexcept {
  if (image.size() < sizeof(superblock))
    return false;
  superblock fields;
  std::memcpy(&fields, image.data(), sizeof fields);
  return fields.magic == magic && fields.fs_version == version;
}

compressor checked_superblock::compression() const noexcept {
  const std::uint64_t flags = fields_.flags;
  if ((flags & superblock_flag::compression_none) != 0)
    return compressor::none;
  if ((flags & superblock_flag::compression_lz4) != 0)
    return compressor::lz4_block;
  if ((flags & superblock_flag::compression_gzip) != 0)
    return compressor::gzip;
  if ((flags & superblock_flag::compression_zstd) != 0)
    return compressor::zstd;
  return compressor::lz4_block; // none named: as the first images meant it
}

digester checked_superblock::digests() const noexcept {
  const std::uint64_t flags = fields_.flags;
  if ((flags & superblock_flag::hash_blake3) == 0 && (flags & superblock_flag::hash_sha256) != 0)
    return digester::sha256;
  return digester::blake3;
}

result<checked_superblock> check(std::span<const std::byte> image) {
  if (!has_magic(image))
    return wrong("magic or version differs");
  checked_superblock checked;
  auto& fields = checked.fields_;
  std::memcpy(&fields, image.data(), sizeof fields);
  if (fields.sb_size != superblock_size)
    return wrong("s_sb_size is " + std::to_string(fields.sb_size) + ", 8192 is right");
  if (image.size() > maximum_bootstrap_size || image.size() % alignment != 0)
    return wrong("the image has " + std::to_string(image.size()) +
                 " bytes; a multiple of 8 up to 2 GiB is right");
  const std::uint32_t chunk_size = fields.block_size;
  if (!std::has_single_bit(chunk_size) || chunk_size < minimum_chunk_size || chunk_size > maximum_chunk_size)
    return wrong("s_block_size is " + std::to_string(chunk_size) +
                 "; a power of two from 4096 to 16 MiB is right");
  if ((fields.flags & ~superblock_flag::accepted) != 0)
    return wrong("s_flags has unknown bits: " + std::to_string(fields.flags));
  if (fields.inode_table_entries == 0 || fields.inodes_count > fields.inode_table_entries)
    return wrong("s_inodes_count is " + std::to_string(fields.inodes_count) + " with " +
                 std::to_string(fields.inode_table_entries) + " table entries");
  if (auto tables = check_tables(fields, image.size()); !tables)
    return tables.error();
  return checked;
}

} // namespace nydus::rafs_v5
