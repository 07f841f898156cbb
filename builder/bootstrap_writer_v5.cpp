// SPDX-License-Identifier: Apache-2.0
#include "builder/bootstrap_writer_v5.hpp"

#include <algorithm>

#include "builder/record_output.hpp"

namespace nydus::builder {

namespace {

using rafs_v5::align8;

std::uint64_t record_size(const tree_node& node) {
  auto size = sizeof(rafs_v5::inode) + align8(node.name.size()) + align8(node.target.size()) +
              node.chunks.size() * sizeof(rafs_v5::chunk_record);
  if (!node.xattrs.empty())
    size += sizeof(le64) + align8(xattr_block_size(node));
  return size;
}

class bootstrap_writer {
public:
  bootstrap_writer(const build_settings& settings, const numbered_inodes& inodes,
                   const std::vector<std::uint32_t>& prefetched, const image_content& content,
                   output_file& out)
      : settings_(settings), inodes_(inodes), prefetched_(prefetched), content_(content), out_(out) {}

  result<std::uint64_t> run();

private:
  std::uint64_t blob_table_size() const;
  void lay_out();
  rafs_v5::superblock superblock() const;
  void put_tables();
  void put_record(const tree_node& node);

  void pad() { out_.pad_to(align8(out_.offset())); }

  const build_settings& settings_;
  const numbered_inodes& inodes_;
  const std::vector<std::uint32_t>& prefetched_;
  const image_content& content_;
  record_output out_;
  std::vector<tree_node*> order_;        // of records: each directory before its subtree
  std::vector<std::uint64_t> positions_; // of records, by index - 1; bytes
  std::uint64_t prefetch_table_ = 0;     // bytes from the start, as all below
  std::uint64_t blob_table_ = 0;
  std::uint64_t extended_table_ = 0;
  std::uint64_t end_ = 0;
};

std::uint64_t bootstrap_writer::blob_table_size() const {
  std::uint64_t size = 0;
  for (const auto& blob : content_.blobs)
    size += sizeof(rafs_v5::blob_table_entry) + blob.id.size() + 1;
  return size == 0 ? 0 : align8(size - 1); // no NUL behind the last
}

void bootstrap_writer::lay_out() {
  prefetch_table_ = rafs_v5::superblock_size + align8(inodes_.by_index.size() * sizeof(le32));
  blob_table_ = prefetch_table_ + align8(prefetched_.size() * sizeof(le32));
  extended_table_ = blob_table_ + blob_table_size();
  end_ = extended_table_ + content_.blobs.size() * sizeof(rafs_v5::extended_blob);
  order_ = depth_first(*inodes_.by_index.front());
  positions_.resize(inodes_.by_index.size());
  for (const auto* node : order_) {
    positions_[node->index - 1] = end_;
    end_ += record_size(*node);
  }
}

rafs_v5::superblock bootstrap_writer::superblock() const {
  rafs_v5::superblock fields{};
  fields.magic = rafs_v5::magic;
  fields.fs_version = rafs_v5::version;
  fields.sb_size = rafs_v5::superblock_size;
  fields.block_size = settings_.chunk_size;
  auto flags = superblock_flag::of(settings_.compression) | superblock_flag::of(settings_.digests);
  if (!settings_.is_repeatable)
    flags |= rafs_v5::superblock_flag::explicit_uid_gid;
  if (std::any_of(order_.begin(), order_.end(), [](const auto* node) { return !node->xattrs.empty(); }))
    flags |= rafs_v5::superblock_flag::has_xattr;
  fields.flags = flags;
  fields.inodes_count = inodes_.unique_count;
  fields.inode_table_offset = rafs_v5::superblock_size;
  fields.inode_table_entries = static_cast<std::uint32_t>(inodes_.by_index.size());
  fields.prefetch_table_offset = prefetch_table_;
  fields.prefetch_table_entries = static_cast<std::uint32_t>(prefetched_.size());
  fields.blob_table_offset = blob_table_;
  fields.blob_table_size = static_cast<std::uint32_t>(blob_table_size());
  fields.extended_blob_table_offset = extended_table_;
  fields.extended_blob_table_entries = static_cast<std::uint32_t>(content_.blobs.size());
  return fields;
}

void bootstrap_writer::put_tables() {
  for (const auto position : positions_)
    out_.put(le32{static_cast<std::uint32_t>(position / rafs_v5::alignment)});
  pad();
  for (const auto number : prefetched_)
    out_.put(le32{number});
  pad();
  for (const auto& blob : content_.blobs) {
    if (&blob != &content_.blobs.front())
      out_.put('\0');
    out_.put(rafs_v5::blob_table_entry{0, blob.readahead_size});
    out_.put_bytes(std::as_bytes(std::span{blob.id}));
  }
  pad();
  for (const auto& blob : content_.blobs) {
    rafs_v5::extended_blob entry{};
    entry.chunk_count = blob.chunk_count;
    entry.features = blob.features;
    entry.uncompressed_size = blob.uncompressed_size;
    entry.compressed_size = blob.compressed_size;
    out_.put(entry);
  }
}

void bootstrap_writer::put_record(const tree_node& node) {
  rafs_v5::inode fields{};
  fields.digest = node.digest;
  fields.parent = node.parent == nullptr ? 0 : node.parent->number;
  fields.number = node.number;
  fields.uid = node.uid;
  fields.gid = node.gid;
  fields.project = node.project;
  fields.mode = node.mode;
  fields.size = node.size;
  fields.blocks = node.blocks;
  fields.flags = node.flags;
  fields.link_count = node.link_count;
  fields.child_index = node.child_index;
  fields.child_count =
      static_cast<std::uint32_t>(node.is_directory() ? node.children.size() : node.chunks.size());
  fields.name_size = static_cast<std::uint16_t>(node.name.size());
  fields.symlink_size = static_cast<std::uint16_t>(node.target.size());
  fields.device = node.device;
  fields.mtime_nsec = node.modified_nanoseconds;
  fields.mtime = node.modified_seconds;
  out_.put(fields);
  out_.put_bytes(std::as_bytes(std::span{node.name}));
  pad();
  out_.put_bytes(std::as_bytes(std::span{node.target}));
  pad();
  if (!node.xattrs.empty()) {
    out_.put(le64{xattr_block_size(node)});
    for (const auto& [name, value] : node.xattrs) {
      out_.put(le32{static_cast<std::uint32_t>(name.size() + 1 + value.size())});
      out_.put_bytes(std::as_bytes(std::span{name.c_str(), name.size() + 1}));
      out_.put_bytes(std::as_bytes(std::span{value}));
    }
    pad();
  }
  std::uint64_t file_offset = 0;
  for (const auto position : node.chunks) {
    auto record = content_.chunks[position];
    record.file_offset = file_offset;
    file_offset += settings_.chunk_size;
    out_.put(record);
  }
}

result<std::uint64_t> bootstrap_writer::run() {
  lay_out();
  if (end_ > rafs_v5::maximum_bootstrap_size)
    return failure{errc::not_supported, "the metadata of " + settings_.source + " would have " +
                                            std::to_string(end_) + " bytes, RAFS v5 allows 2 GiB"};
  out_.put(superblock());
  put_tables();
  for (const auto* node : order_) {
    put_record(*node);
    if (!out_.outcome())
      break;
  }
  if (!out_.outcome())
    return out_.outcome().error();
  return end_;
}

} // namespace

result<std::uint64_t> write_bootstrap_v5(const build_settings& settings, const numbered_inodes& inodes,
                                         const std::vector<std::uint32_t>& prefetched,
                                         const image_content& content, output_file& out) {
  return bootstrap_writer{settings, inodes, prefetched, content, out}.run();
}

} // namespace nydus::builder
