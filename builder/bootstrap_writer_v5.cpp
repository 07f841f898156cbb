// SPDX-License-Identifier: Apache-2.0
#include "builder/bootstrap_writer_v5.hpp"

#include <string_view>

namespace nydus {

namespace {

using namespace rafs_v5;

std::uint64_t record_size(const file_node& node) {
  auto size = sizeof(inode) + align8(node.name.size()) + align8(node.target.size()) +
              sizeof(chunk_record) * node.chunks.size();
  if (!node.xattrs.empty())
    size += sizeof(le64) + align8(xattr_size(node));
  return size;
}

template <class Record>
void put(std::ostream& out, const Record& record) {
  out.write(reinterpret_cast<const char*>(&record), sizeof record);
}

void pad_to_8(std::ostream& out, std::uint64_t written) {
  static constexpr char zeros[8] = {};
  out.write(zeros, static_cast<std::streamsize>(align8(written) - written));
}

void put_padded(std::ostream& out, std::string_view text) {
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  pad_to_8(out, text.size());
}

/// Offsets of the records by index, and the end of the last: the tree in depth-first pre-order.
void place(const file_node& node, std::vector<le32>& table, std::uint64_t& offset) {
  table[node.index - 1] = static_cast<std::uint32_t>(offset >> 3);
  offset += record_size(node);
  for (const auto& child : node.children)
    place(*child, table, offset);
}

void put_records(std::ostream& out, const file_node& node) {
  put(out, node.record);
  put_padded(out, node.name);
  put_padded(out, node.target);
  if (!node.xattrs.empty()) {
    put(out, le64{xattr_size(node)});
    for (const auto& [name, value] : node.xattrs) {
      put(out, le32{static_cast<std::uint32_t>(name.size() + 1 + value.size())});
      out << name << '\0' << value;
    }
    pad_to_8(out, xattr_size(node));
  }
  for (const auto& record : node.chunks)
    put(out, record);
  for (const auto& child : node.children)
    put_records(out, *child);
}

std::uint64_t flags_of(const bootstrap_contents& contents, const dump_options& options, bool has_owners) {
  std::uint64_t flags =
      options.digests == digester::blake3 ? superblock_flag::hash_blake3 : superblock_flag::hash_sha256;
  switch (options.compression) {
  case compressor::none:
    flags |= superblock_flag::compression_none;
    break;
  case compressor::lz4_block:
    flags |= superblock_flag::compression_lz4;
    break;
  case compressor::gzip:
    flags |= superblock_flag::compression_gzip;
    break;
  case compressor::zstd:
    flags |= superblock_flag::compression_zstd;
    break;
  }
  if (has_owners)
    flags |= superblock_flag::explicit_uid_gid;
  for (const auto* node : contents.order)
    if (!node->xattrs.empty())
      flags |= superblock_flag::has_xattr;
  return flags;
}

} // namespace

result<void> write_bootstrap_v5(const bootstrap_contents& contents, const dump_options& options,
                                bool has_owners, std::ostream& out) {
  const bool has_blob = !contents.blob.id.empty();
  superblock fields{};
  fields.magic = magic;
  fields.fs_version = version;
  fields.sb_size = superblock_size;
  fields.block_size = options.chunk_size;
  fields.flags = flags_of(contents, options, has_owners);
  fields.inodes_count = contents.inode_count;
  fields.inode_table_offset = superblock_size;
  fields.inode_table_entries = static_cast<std::uint32_t>(contents.order.size());
  fields.prefetch_table_offset = superblock_size + align8(contents.order.size() * sizeof(le32));
  fields.prefetch_table_entries = static_cast<std::uint32_t>(contents.prefetch.size());
  fields.blob_table_offset = fields.prefetch_table_offset + align8(contents.prefetch.size() * sizeof(le32));
  fields.blob_table_size =
      has_blob ? static_cast<std::uint32_t>(align8(sizeof(blob_table_entry) + contents.blob.id.size())) : 0;
  fields.extended_blob_table_offset = fields.blob_table_offset + fields.blob_table_size;
  fields.extended_blob_table_entries = has_blob ? 1 : 0;

  std::vector<le32> table(contents.order.size());
  auto end = fields.extended_blob_table_offset + fields.extended_blob_table_entries * sizeof(extended_blob);
  place(*contents.root, table, end);
  if (end > maximum_bootstrap_size)
    return failure{errc::malformed,
                   "the bootstrap would have " + std::to_string(end) + " bytes; 2 GiB are possible"};

  put(out, fields);
  for (const auto& slot : table)
    put(out, slot);
  pad_to_8(out, table.size() * sizeof(le32));
  for (const auto number : contents.prefetch)
    put(out, le32{number});
  pad_to_8(out, contents.prefetch.size() * sizeof(le32));
  if (has_blob) {
    put(out, blob_table_entry{});
    put_padded(out, contents.blob.id);
    extended_blob entry{};
    entry.chunk_count = contents.blob.chunk_count;
    entry.features = blob_feature::cap_tar_toc;
    entry.uncompressed_size = contents.blob.uncompressed_size;
    entry.compressed_size = contents.blob.compressed_size;
    put(out, entry);
  }
  put_records(out, *contents.root);
  return {};
}

} // namespace nydus
