// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v6/superblock_check.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "metadata/chunk_record.hpp"

namespace nydus::rafs_v6 {

namespace {

failure wrong(const std::string& what) {
  return {errc::corrupt, "RAFS v6 superblock: " + what};
}

/// A field that has one right value.
struct fixed_field {
  const char* name;
  std::uint64_t value;
  std::uint64_t right;
};

} // namespace

bool has_magic(std::span<const std::byte> image) noexcept {
  le32 word;
  if (image.size() < superblock_offset + sizeof word)
    return false;
  std::memcpy(&word, image.data() + superblock_offset, sizeof word);
  return word == magic;
}

result<void> checked_superblock::check_fields(std::uint64_t image_size) const {
  for (const auto& [name, value, right] : std::array<fixed_field, 8>{{
           {"s_checksum", fields_.checksum, 0},
           {"s_feature_compat & 0x40000000", fields_.feature_compat & rafs_feature, rafs_feature},
           {"s_blkszbits", fields_.block_bits, 12},
           {"s_extslots", fields_.extension_slots, 0},
           {"s_xattr_blkaddr", fields_.xattr_block, 0},
           {"s_feature_incompat", fields_.feature_incompat, incompat_features},
           {"s_u", fields_.compression_or_lz4_distance, 0},
           {"s_devt_slotoff", fields_.device_slot, first_device_slot},
       }})
    if (value != right)
      return wrong(std::string{name} + " is " + std::to_string(value) + ", " + std::to_string(right) +
                   " is right");
  if (fields_.inode_count == 0)
    return wrong("s_inos is 0");
  if (metadata_offset() >= image_size)
    return wrong("s_meta_blkaddr is " + std::to_string(fields_.metadata_block) + ", behind the image of " +
                 std::to_string(image_size) + " bytes");
  return {};
}

result<void> checked_superblock::check_flags() const {
  const std::uint64_t flags = extended_.flags;
  if ((flags & ~superblock_flag::accepted) != 0)
    return wrong("s_flags has unknown bits: " + std::to_string(flags & ~superblock_flag::accepted));
  constexpr auto compressions = superblock_flag::compression_none | superblock_flag::compression_lz4 |
                                superblock_flag::compression_gzip | superblock_flag::compression_zstd;
  constexpr auto hashes = superblock_flag::hash_blake3 | superblock_flag::hash_sha256;
  if (!std::has_single_bit(flags & compressions) || !std::has_single_bit(flags & hashes))
    return wrong("s_flags is " + std::to_string(flags) + "; one compressor and one digester is right");
  const std::uint32_t chunk_size = extended_.chunk_size;
  if (!std::has_single_bit(chunk_size) || chunk_size < minimum_chunk_size || chunk_size > maximum_chunk_size)
    return wrong("s_chunk_size is " + std::to_string(chunk_size) +
                 "; a power of two from 4096 to 16 MiB is right");
  return {};
}

result<void> checked_superblock::check_tables(std::uint64_t image_size) const {
  struct table {
    const char* name;
    std::uint64_t offset;
    std::uint64_t size; // 0: not there, and then offset means nothing
    std::uint64_t alignment;
    std::uint64_t record_size;
  };
  const std::uint64_t devices = fields_.extra_devices;
  const std::array<table, 4> tables{{
      {"device table", device_table_offset, devices * sizeof(device), 1, sizeof(device)},
      {"blob table", extended_.blob_table_offset, extended_.blob_table_size, block_size, sizeof(blob_entry)},
      {"chunk table", extended_.chunk_table_offset, extended_.chunk_table_size, block_size,
       sizeof(chunk_record)},
      // An empty image may have the size of a table that it does not have.
      {"prefetch table", extended_.prefetch_table_offset,
       has_prefetch_table() ? std::uint64_t{extended_.prefetch_table_size} : 0, 8, sizeof(le32)},
  }};
  if (devices > maximum_blob_count)
    return wrong("s_extra_devices is " + std::to_string(devices) + ", 254 at most is right");
  if (extended_.blob_table_size != devices * sizeof(blob_entry))
    return wrong("s_blob_table_size is " + std::to_string(extended_.blob_table_size) + " with " +
                 std::to_string(devices) + " devices");
  for (const auto& one : tables) {
    if (one.size == 0)
      continue;
    const auto at =
        std::string{one.name} + " of " + std::to_string(one.size) + " bytes at " + std::to_string(one.offset);
    if (one.offset < device_table_offset || one.offset % one.alignment != 0 ||
        one.size % one.record_size != 0)
      return wrong(at + ": its place or its size is no multiple of what it should be");
    if (one.offset > image_size || one.size > image_size - one.offset)
      return wrong(at + " does not lie inside the image of " + std::to_string(image_size));
  }
  for (auto one = tables.begin(); one != tables.end(); ++one) // all lie inside, so no sum overflows
    for (auto other = tables.begin(); one->size != 0 && other != one; ++other)
      if (other->size != 0 && one->offset < other->offset + other->size &&
          other->offset < one->offset + one->size)
        return wrong(std::string{one->name} + " at " + std::to_string(one->offset) + " overlaps the " +
                     other->name);
  return {};
}

compressor checked_superblock::compression() const noexcept {
  const std::uint64_t flags = extended_.flags;
  if ((flags & superblock_flag::compression_lz4) != 0)
    return compressor::lz4_block;
  if ((flags & superblock_flag::compression_gzip) != 0)
    return compressor::gzip;
  return (flags & superblock_flag::compression_zstd) != 0 ? compressor::zstd : compressor::none;
}

digester checked_superblock::digests() const noexcept {
  return (extended_.flags & superblock_flag::hash_sha256) != 0 ? digester::sha256 : digester::blake3;
}

result<checked_superblock> check(std::span<const std::byte> image) {
  checked_superblock checked;
  if (image.size() < block_size || !has_magic(image))
    return wrong("the image has " + std::to_string(image.size()) + " bytes, or no EROFS magic at 1024");
  std::memcpy(&checked.fields_, image.data() + superblock_offset, sizeof checked.fields_);
  std::memcpy(&checked.extended_, image.data() + extended_superblock_offset, sizeof checked.extended_);
  if ((checked.extended_.flags & superblock_flag::tarfs_mode) != 0)
    return failure{errc::not_supported,
                   "a RAFS v6 image of tar files (flag TARFS_MODE), which this build does not read"};
  if (image.size() % block_size != 0)
    return wrong("the image has " + std::to_string(image.size()) + " bytes; a multiple of 4096 is right");
  if (auto fields = checked.check_fields(image.size()); !fields)
    return fields.error();
  if (auto flags = checked.check_flags(); !flags)
    return flags.error();
  if (auto tables = checked.check_tables(image.size()); !tables)
    return tables.error();
  return checked;
}

} // namespace nydus::rafs_v6
