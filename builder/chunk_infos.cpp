// SPDX-License-Identifier: Apache-2.0
#include "builder/chunk_infos.hpp"

#include <vector>

#include "builder/chunk_compressor.hpp"
#include "protocol/bytes/owned_bytes.hpp"

namespace nydus::builder {

namespace {

/// Bits 20 to 23 of a size less one, and bits 0 to 19, at their places.
constexpr std::uint64_t size_bits(std::uint64_t size, unsigned high_shift) noexcept {
  return ((size - 1) & 0xfffff) << 44 | (size - 1) >> 20 << high_shift;
}

rafs_v6::chunk_info info_of(const chunk_record& record) noexcept {
  rafs_v6::chunk_info info;
  info.uncompressed = size_bits(record.uncompressed_size, 8) | record.uncompressed_offset;
  info.compressed = size_bits(record.compressed_size, 40) | record.compressed_offset;
  return info;
}

} // namespace

result<void> write_chunk_infos(const build_settings& settings, const chunk_table& chunks,
                               std::uint32_t blob_index, image_blob& blob, output_file& out) {
  std::vector<rafs_v6::chunk_info> infos(blob.chunk_count);
  for (std::uint32_t position = 0; position < chunks.size(); ++position)
    if (const auto& record = chunks[position]; record.blob_index == blob_index)
      infos[record.index] = info_of(record);
  const auto plain = std::as_bytes(std::span{infos});
  owned_bytes compressed{chunk_compressor::bound(settings.compression, plain.size())};
  const auto size = chunk_compressor{settings.compression}.compress(plain, compressed.span());

  rafs_v6::chunk_infos_header header{};
  header.magic = header.magic_too = rafs_v6::chunk_infos_magic;
  header.features = blob.features;
  header.compression = static_cast<std::uint32_t>(size != 0 ? settings.compression : compressor::none);
  header.count = blob.chunk_count;
  header.offset = out.size() + settings.blob_offset;
  header.compressed_size = size != 0 ? size : plain.size();
  header.uncompressed_size = plain.size();
  blob.entry.chunk_size = settings.chunk_size;
  blob.entry.compression = static_cast<std::uint32_t>(settings.compression);
  blob.entry.digests = static_cast<std::uint32_t>(settings.digests);
  blob.entry.chunk_infos_compression = header.compression;
  blob.entry.chunk_infos_offset = header.offset;
  blob.entry.chunk_infos_compressed_size = header.compressed_size;
  blob.entry.chunk_infos_uncompressed_size = header.uncompressed_size;
  const auto stored = size != 0 ? std::span<const std::byte>{compressed.span().first(size)} : plain;
  if (auto written = out.write(stored); !written)
    return written;
  return out.write(std::as_bytes(std::span{&header, 1}));
}

} // namespace nydus::builder
