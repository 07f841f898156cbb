// SPDX-License-Identifier: Apache-2.0
#include "builder/bootstrap_writer_v6.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "builder/bootstrap_layout_v6.hpp"
#include "builder/directory_data_v6.hpp"
#include "builder/record_output.hpp"
#include "builder/xattr_area_v6.hpp"

namespace nydus::builder {

namespace {

using namespace rafs_v6;

constexpr std::uint64_t device_alignment = 0x80000; // of blobs in one flat address space
constexpr unsigned block_bits = 12;

constexpr std::uint64_t align(std::uint64_t size, std::uint64_t unit) noexcept {
  return (size + unit - 1) / unit * unit;
}

/// The id in a field that is padded with NUL.
std::array<char, 64> id_field(const std::string& id) noexcept {
  std::array<char, 64> field{};
  std::copy_n(id.begin(), std::min(id.size(), field.size()), field.begin());
  return field;
}

class bootstrap_writer {
public:
  bootstrap_writer(const build_settings& settings, const numbered_inodes& inodes,
                   const std::vector<std::uint32_t>& prefetched, const image_content& content,
                   output_file& out)
      : settings_(settings), inodes_(inodes), prefetched_(prefetched), content_(content), out_(out) {}

  result<std::uint64_t> run();

private:
  result<void> check_limits() const;
  void place_tables();
  void collect_chunks();
  superblock make_superblock() const;
  extended_superblock make_extended() const;
  blob_entry make_entry(std::size_t index) const;
  void put_head();
  void put_tables();
  void put_inodes();
  void put_inode(const tree_node& node, const inode_place& at);
  std::uint32_t location_of(const tree_node& node, const inode_place& at) const;
  std::vector<std::byte> data_of(const tree_node& node) const;
  std::uint64_t nid_of(const tree_node& node) const {
    return layout_.places[node.index - 1].offset / slot_size;
  }
  std::uint64_t blocks_of(const image_blob& blob) const { return blob.uncompressed_size / block_size; }

  const build_settings& settings_;
  const numbered_inodes& inodes_;
  const std::vector<std::uint32_t>& prefetched_;
  const image_content& content_;
  record_output out_;
  image_layout layout_;
  struct used_chunk {
    std::uint32_t position;    // in content_.chunks
    std::uint64_t file_offset; // in the last file that has it
  };
  std::vector<used_chunk> chunks_;   // in the order of the table
  std::uint64_t blob_table_ = 0;     // bytes from the start, as all below
  std::uint64_t prefetch_table_ = 0; // 0: none
  std::uint64_t metadata_ = 0;
  std::uint64_t chunk_table_ = 0;
  std::uint64_t end_ = 0;
};

result<void> bootstrap_writer::check_limits() const {
  if (content_.blobs.size() > maximum_blob_count)
    return failure{errc::not_supported, "the image refers to " + std::to_string(content_.blobs.size()) +
                                            " blobs, RAFS v6 allows 254"};
  for (const auto& blob : content_.blobs)
    if (blob.id.size() > blob_entry{}.blob_id.size())
      return failure{errc::not_supported,
                     "blob id " + blob.id + " has more than 64 bytes, which is all RAFS v6 can hold"};
  for (const auto* node : inodes_.by_index) {
    if (auto checked = check_xattrs(*node); !checked)
      return checked;
    if (node->is_symlink() && node->target.size() > longest_target)
      return failure{errc::not_supported, path_of(*node) + ": its target has " +
                                              std::to_string(node->target.size()) +
                                              " bytes, RAFS v6 can hold 4096"};
  }
  if (end_ / block_size > std::numeric_limits<std::uint32_t>::max())
    return failure{errc::not_supported, "the metadata of " + settings_.source + " would have " +
                                            std::to_string(end_) + " bytes, RAFS v6 allows 16 TiB"};
  return {};
}

void bootstrap_writer::place_tables() {
  const auto blobs = content_.blobs.size();
  blob_table_ = align(device_table_offset + blobs * sizeof(device), block_size);
  if (blobs != 0) { // an image without data begins with its first inode
    const auto end = blob_table_ + blobs * sizeof(blob_entry);
    prefetch_table_ = prefetched_.empty() ? 0 : end;
    metadata_ = align(end + prefetched_.size() * sizeof(le32), block_size);
  }
  chunk_table_ = metadata_ + layout_.end;
  end_ = align(chunk_table_ + chunks_.size() * sizeof(chunk_record), block_size);
}

/// Those that files refer to; a layer below has others.
void bootstrap_writer::collect_chunks() {
  constexpr auto unused = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::uint64_t> file_offsets(content_.chunks.size(), unused);
  for (const auto* node : inodes_.by_index) {
    std::uint64_t offset = 0;
    for (const auto position : node->chunks) {
      file_offsets[position] = offset;
      offset += settings_.chunk_size;
    }
  }
  for (std::uint32_t position = 0; position < file_offsets.size(); ++position)
    if (file_offsets[position] != unused)
      chunks_.push_back({position, file_offsets[position]});
  std::sort(chunks_.begin(), chunks_.end(), [this](const used_chunk& left, const used_chunk& right) {
    const auto& a = content_.chunks[left.position];
    const auto& b = content_.chunks[right.position];
    return a.digest != b.digest ? a.digest < b.digest : a.blob_index < b.blob_index;
  });
}

superblock bootstrap_writer::make_superblock() const {
  superblock head{};
  head.magic = magic;
  head.feature_compat = rafs_feature;
  head.block_bits = block_bits;
  head.root_nid = static_cast<std::uint16_t>(nid_of(*inodes_.by_index.front()));
  head.inode_count = inodes_.by_index.size();
  std::uint64_t blocks = 0;
  for (const auto& blob : content_.blobs)
    blocks += blocks_of(blob);
  head.blocks = static_cast<std::uint32_t>(blocks);
  head.metadata_block = static_cast<std::uint32_t>(metadata_ / block_size);
  head.feature_incompat = incompat_features;
  head.extra_devices = static_cast<std::uint16_t>(content_.blobs.size());
  head.device_slot = first_device_slot;
  return head;
}

extended_superblock bootstrap_writer::make_extended() const {
  extended_superblock head{};
  auto flags = superblock_flag::of(settings_.compression) | superblock_flag::of(settings_.digests) |
               superblock_flag::encryption_none;
  if (!settings_.is_repeatable)
    flags |= superblock_flag::explicit_uid_gid;
  if (std::any_of(inodes_.by_index.begin(), inodes_.by_index.end(),
                  [](const auto* node) { return !node->xattrs.empty(); }))
    flags |= superblock_flag::has_xattr;
  if (std::all_of(content_.blobs.begin(), content_.blobs.end(), [](const image_blob& blob) {
        return (blob.features & blob_feature::inlined_chunk_digest) != 0;
      }))
    flags |= superblock_flag::inlined_chunk_digest;
  head.flags = flags;
  head.blob_table_offset = blob_table_;
  head.blob_table_size = static_cast<std::uint32_t>(content_.blobs.size() * sizeof(blob_entry));
  head.chunk_size = settings_.chunk_size;
  head.chunk_table_offset = chunk_table_;
  head.chunk_table_size = chunks_.size() * sizeof(chunk_record);
  head.prefetch_table_offset = prefetch_table_;
  head.prefetch_table_size =
      prefetch_table_ == 0 ? 0 : static_cast<std::uint32_t>(prefetched_.size() * sizeof(le32));
  return head;
}

blob_entry bootstrap_writer::make_entry(std::size_t index) const {
  const auto& blob = content_.blobs[index];
  auto entry = blob.entry;
  entry.blob_id = id_field(blob.id);
  entry.blob_index = static_cast<std::uint32_t>(index);
  entry.features = blob.features;
  entry.chunk_count = blob.chunk_count;
  entry.compressed_size = blob.compressed_size;
  entry.uncompressed_size = blob.uncompressed_size;
  return entry;
}

void bootstrap_writer::put_head() {
  out_.pad_to(superblock_offset);
  out_.put(make_superblock());
  out_.put(make_extended());
  auto next = end_; // in the address space of bootstrap and blobs
  for (const auto& blob : content_.blobs) {
    next = align(next, device_alignment);
    device slot{};
    slot.blob_id = id_field(blob.id);
    slot.blocks = static_cast<std::uint32_t>(blocks_of(blob));
    slot.mapped_block = static_cast<std::uint32_t>(next / block_size);
    out_.put(slot);
    next += blocks_of(blob) * block_size;
  }
}

void bootstrap_writer::put_tables() {
  if (!content_.blobs.empty())
    out_.pad_to(blob_table_);
  for (std::size_t i = 0; i < content_.blobs.size(); ++i)
    out_.put(make_entry(i));
  if (prefetch_table_ != 0)
    for (const auto index : prefetched_)
      out_.put(le32{static_cast<std::uint32_t>(nid_of(*inodes_.by_index[index - 1]))});
}

/// First block, chunk format or device, by the node's type.
std::uint32_t bootstrap_writer::location_of(const tree_node& node, const inode_place& at) const {
  if (node.is_directory() || node.is_symlink())
    return static_cast<std::uint32_t>((metadata_ + at.data_offset) / block_size);
  if (!node.is_regular())
    return node.device;
  // Where the chunks of a file follow one another, the kernel's EROFS may take them as one.
  auto unit = std::uint64_t{settings_.chunk_size};
  if (node.size > unit && !node.chunks.empty()) {
    const auto& first = content_.chunks[node.chunks.front()];
    auto offset = std::uint64_t{first.uncompressed_offset};
    const bool is_one = std::all_of(node.chunks.begin(), node.chunks.end(), [&](std::uint32_t position) {
      const auto& next = content_.chunks[position];
      const bool follows = next.blob_index == first.blob_index && next.uncompressed_offset == offset;
      offset += unit;
      return follows;
    });
    if (is_one)
      unit = std::bit_ceil(std::uint64_t{node.size});
  }
  const auto bits = static_cast<std::uint32_t>(std::countr_zero(unit)) - block_bits;
  return chunk_indexes_format | std::min(bits, chunk_indexes_format - 1);
}

std::vector<std::byte> bootstrap_writer::data_of(const tree_node& node) const {
  if (node.is_directory())
    return directory_data(node, [this](const tree_node& one) { return nid_of(one); });
  const auto target = std::as_bytes(std::span{node.target});
  return {target.begin(), target.end()};
}

/// With xattrs and chunk indexes.
void bootstrap_writer::put_inode(const tree_node& node, const inode_place& at) {
  extended_inode record{};
  const auto layout = node.is_regular() ? data_layout::chunk_based
                      : at.is_inline    ? data_layout::flat_inline
                                        : data_layout::flat_plain;
  const auto xattrs = xattr_area(node);
  record.format = static_cast<std::uint16_t>(static_cast<unsigned>(layout) << 1 | extended_format);
  if (!xattrs.empty())
    record.xattr_count = static_cast<std::uint16_t>((xattrs.size() - sizeof(xattr_header)) / 4 + 1);
  record.mode = static_cast<std::uint16_t>(node.mode);
  record.size = node.is_directory() || node.is_symlink() ? at.data_size : node.is_regular() ? node.size : 0;
  record.location = location_of(node, at);
  record.number = node.number;
  record.uid = node.uid;
  record.gid = node.gid;
  record.mtime = node.modified_seconds;
  record.mtime_nsec = node.modified_nanoseconds;
  record.link_count = node.link_count;
  out_.put(record);
  out_.put_bytes(xattrs);
  if (!node.chunks.empty())
    out_.pad_to(align(out_.offset(), sizeof(chunk_index)));
  for (const auto position : node.chunks) {
    const auto& chunk = content_.chunks[position];
    const chunk_index index{static_cast<std::uint16_t>(chunk.index),
                            static_cast<std::uint8_t>(chunk.blob_index + 1),
                            static_cast<std::uint8_t>(chunk.index >> 16),
                            static_cast<std::uint32_t>(chunk.uncompressed_offset / block_size)};
    out_.put(index);
  }
}

/// In the order of their places: the layout fills gaps, so they lie in another one than inodes.
void bootstrap_writer::put_inodes() {
  struct piece {
    std::uint64_t offset;
    const tree_node* node;
    bool is_data; // its whole blocks
  };
  std::vector<piece> pieces;
  for (const auto* node : inodes_.by_index) {
    if (node->index != node->number)
      continue;
    const auto& at = layout_.places[node->index - 1];
    pieces.push_back({at.offset, node, false});
    if (at.data_size != 0 && (!at.is_inline || at.data_size >= block_size))
      pieces.push_back({at.data_offset, node, true});
  }
  std::sort(pieces.begin(), pieces.end(),
            [](const piece& left, const piece& right) { return left.offset < right.offset; });
  for (const auto& [offset, node, is_data] : pieces) {
    const auto& at = layout_.places[node->index - 1];
    out_.pad_to(metadata_ + offset);
    const auto inline_size = at.is_inline ? at.data_size % block_size : 0;
    if (!is_data)
      put_inode(*node, at);
    if (is_data || inline_size != 0) {
      const auto data = data_of(*node);
      const std::span<const std::byte> bytes{data};
      out_.put_bytes(is_data ? bytes.first(data.size() - inline_size) : bytes.last(inline_size));
    }
    if (!out_.outcome())
      return;
  }
  out_.pad_to(chunk_table_);
}

result<std::uint64_t> bootstrap_writer::run() {
  layout_ = lay_out(inodes_);
  collect_chunks();
  place_tables();
  if (auto checked = check_limits(); !checked)
    return std::move(checked).error();
  put_head();
  put_tables();
  put_inodes();
  for (const auto& [position, file_offset] : chunks_) {
    auto record = content_.chunks[position];
    record.file_offset = file_offset;
    out_.put(record);
  }
  out_.pad_to(end_);
  if (!out_.outcome())
    return out_.outcome().error();
  return end_;
}

} // namespace

result<std::uint64_t> write_bootstrap_v6(const build_settings& settings, const numbered_inodes& inodes,
                                         const std::vector<std::uint32_t>& prefetched,
                                         const image_content& content, output_file& out) {
  return bootstrap_writer{settings, inodes, prefetched, content, out}.run();
}

} // namespace nydus::builder
