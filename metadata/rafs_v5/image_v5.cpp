// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v5/image_v5.hpp"

#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "metadata/rafs_v5/inode_view.hpp"
#include "metadata/rafs_v5/tables.hpp"

namespace nydus::rafs_v5 {

namespace {

constexpr inode_number root{1};

class image_v5 final : public image {
public:
  image_v5(std::unique_ptr<mapped_file> file, std::span<const std::byte> bytes,
           const checked_superblock& checked, std::vector<blob> blobs)
      : file_(std::move(file)), bytes_(bytes), checked_(checked), blobs_(std::move(blobs)),
        opened_at_(std::time(nullptr)), owner_(::geteuid()), group_(::getegid()) {
    describe();
  }

  const image_description& description() const noexcept override { return description_; }
  std::span<const blob> blobs() const noexcept override { return blobs_; }
  result<inode_attributes> attributes(inode_number inode) const override;
  result<inode_attributes> lookup(inode_number directory, std::string_view name) const override;
  result<inode_number> parent(inode_number directory) const override;
  result<void> list(inode_number directory, std::uint64_t offset, const entry_visitor& visit) const override;
  result<std::string_view> symlink_target(inode_number inode) const override;
  result<std::string_view> xattr(inode_number inode, std::string_view name) const override;
  result<void> list_xattrs(inode_number inode, const xattr_visitor& visit) const override;
  result<void> slices(inode_number file, std::uint64_t offset, std::uint64_t size,
                      std::vector<chunk_slice>& slices) const override;
  std::vector<inode_number> prefetch_list() const override { return read_prefetch_list(checked_, bytes_); }
  result<void> verify(inode_number inode) const override;

private:
  void describe();
  result<inode_view> view(std::uint64_t index) const { return inode_view::at(checked_, bytes_, index); }
  result<inode_view> view(inode_number inode) const { return view(static_cast<std::uint64_t>(inode)); }
  result<inode_view> directory_view(inode_number inode) const;
  /// The child at position `k` of `directory`, proven to belong to it.
  result<inode_view> child(const inode_view& directory, std::uint32_t k) const;
  /// Attributes of a child: a hard link shows those of its first link.
  result<inode_attributes> attributes_of_child(const inode_view& child) const;
  inode_attributes attributes_of(const inode_view& inode) const noexcept;
  result<chunk_slice> slice_of(const inode_view& file, const chunk_record& record) const;
  result<void> slices_with_holes(const inode_view& file, std::uint64_t offset, std::uint64_t end,
                                 std::vector<chunk_slice>& slices) const;
  std::uint32_t chunk_size() const noexcept { return checked_.fields().block_size; }

  std::unique_ptr<mapped_file> file_;
  std::span<const std::byte> bytes_;
  checked_superblock checked_;
  std::vector<blob> blobs_;
  image_description description_;
  std::time_t opened_at_;
  uid_t owner_;
  gid_t group_;
};

void image_v5::describe() {
  const auto& fields = checked_.fields();
  description_.format_version = 5;
  description_.chunk_size = fields.block_size;
  description_.inode_count = fields.inodes_count;
  description_.highest_inode = fields.inode_table_entries;
  description_.root = root;
  description_.flags = fields.flags;
  description_.compression = checked_.compression();
  description_.digests = checked_.digests();
  description_.has_xattrs = (fields.flags & superblock_flag::has_xattr) != 0;
  description_.has_explicit_owners = (fields.flags & superblock_flag::explicit_uid_gid) != 0;
  description_.metadata_size = bytes_.size();
  description_.superblock_fields = {
      {"magic", fields.magic},
      {"version", fields.fs_version},
      {"sb_size", fields.sb_size},
      {"root_inode", 1},
      {"chunk_size", fields.block_size},
      {"inodes_count", fields.inodes_count},
      {"inode_table_entries", fields.inode_table_entries},
      {"inode_table_offset", fields.inode_table_offset},
      {"blob_table_offset", fields.blob_table_offset},
      {"blob_table_size", fields.blob_table_size},
      {"extended_blob_table_offset", fields.extended_blob_table_offset},
      {"extended_blob_table_entries", fields.extended_blob_table_entries},
      {"blob_device_table_count", 0},
      {"blob_device_table_offset", 0},
      {"prefetch_table_offset", fields.prefetch_table_offset},
      {"prefetch_table_entries", fields.prefetch_table_entries},
      {"meta_blkaddr", 0},
      {"root_nid", 0},
      {"chunk_table_offset", 0},
      {"chunk_table_size", 0},
  };
}

result<inode_view> image_v5::directory_view(inode_number inode) const {
  auto directory = view(inode);
  if (directory && !directory->is_directory())
    return failure{errc::not_a_directory, "inode " + std::to_string(static_cast<std::uint64_t>(inode))};
  return directory;
}

result<inode_view> image_v5::child(const inode_view& directory, std::uint32_t k) const {
  auto one = view(std::uint64_t{directory.fields().child_index} + k);
  if (one && one->is_directory() && one->fields().parent != directory.fields().number)
    return failure{errc::corrupt, "RAFS v5 inode " + std::to_string(one->fields().number) + ": i_parent is " +
                                      std::to_string(one->fields().parent) + ", it is listed in " +
                                      std::to_string(directory.fields().number)};
  return one;
}

inode_attributes image_v5::attributes_of(const inode_view& inode) const noexcept {
  const auto& fields = inode.fields();
  inode_attributes shown;
  shown.number = inode_number{std::uint64_t{fields.number}};
  shown.mode = fields.mode;
  if (shown.number == root)
    shown.mode = (shown.mode & 0170000) | 0755;
  shown.uid = description_.has_explicit_owners ? std::uint32_t{fields.uid} : owner_;
  shown.gid = description_.has_explicit_owners ? std::uint32_t{fields.gid} : group_;
  shown.link_count = fields.link_count;
  shown.device = inode.is_device() ? std::uint32_t{fields.device} : 0;
  shown.size = inode.is_symlink() ? inode.target().size() : std::uint64_t{fields.size};
  shown.blocks = fields.blocks;
  shown.modified_seconds = fields.mtime;
  shown.modified_nanoseconds = std::min<std::uint32_t>(fields.mtime_nsec, 999'999'999);
  if (shown.modified_seconds == 0 && shown.modified_nanoseconds == 0)
    shown.modified_seconds = static_cast<std::uint64_t>(opened_at_);
  return shown;
}

result<inode_attributes> image_v5::attributes_of_child(const inode_view& child) const {
  if (child.fields().link_count == 1 || child.is_directory())
    return attributes_of(child);
  return attributes(inode_number{std::uint64_t{child.fields().number}});
}

result<inode_attributes> image_v5::attributes(inode_number inode) const {
  auto found = view(inode);
  if (!found)
    return found.error();
  auto shown = attributes_of(*found);
  shown.number = inode;
  return shown;
}

result<inode_attributes> image_v5::lookup(inode_number inode, std::string_view name) const {
  const auto directory = directory_view(inode);
  if (!directory)
    return directory.error();
  std::uint32_t low = 0;
  std::uint32_t high = directory->fields().child_count;
  while (low < high) { // children are sorted by their names' bytes
    const auto middle = low + (high - low) / 2;
    const auto found = child(*directory, middle);
    if (!found)
      return found.error();
    const auto order = found->name().compare(name);
    if (order == 0)
      return attributes_of_child(*found);
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return failure{errc::not_found, {}};
}

result<inode_number> image_v5::parent(inode_number inode) const {
  const auto directory = directory_view(inode);
  if (!directory)
    return directory.error();
  return inode == root ? root : inode_number{std::uint64_t{directory->fields().parent}};
}

result<void> image_v5::list(inode_number inode, std::uint64_t offset, const entry_visitor& visit) const {
  const auto directory = directory_view(inode);
  if (!directory)
    return directory.error();
  for (auto k = offset; k < directory->fields().child_count; ++k) {
    const auto found = child(*directory, static_cast<std::uint32_t>(k));
    if (!found)
      return found.error();
    const auto shown = attributes_of_child(*found);
    if (!shown)
      return shown.error();
    if (!visit({found->name(), k + 1, *shown}))
      break;
  }
  return {};
}

result<std::string_view> image_v5::symlink_target(inode_number inode) const {
  const auto found = view(inode);
  if (!found)
    return found.error();
  if (!found->is_symlink())
    return failure{errc::malformed,
                   "inode " + std::to_string(static_cast<std::uint64_t>(inode)) + " is no symlink"};
  return found->target();
}

result<std::string_view> image_v5::xattr(inode_number inode, std::string_view name) const {
  const auto found = view(inode);
  if (!found)
    return found.error();
  result<std::string_view> answer = failure{errc::no_attribute, {}};
  auto walked = found->each_xattr([&](std::string_view key, std::string_view value) {
    if (key != name)
      return true;
    answer = value;
    return false;
  });
  if (!walked)
    return walked.error();
  return answer;
}

result<void> image_v5::list_xattrs(inode_number inode, const xattr_visitor& visit) const {
  const auto found = view(inode);
  if (!found)
    return found.error();
  return found->each_xattr([&](std::string_view key, std::string_view value) {
    visit(key, value);
    return true;
  });
}

result<chunk_slice> image_v5::slice_of(const inode_view& file, const chunk_record& record) const {
  const auto wrong = [&](const std::string& what) {
    return failure{errc::corrupt, "RAFS v5 inode " + std::to_string(file.fields().number) + ", chunk at " +
                                      std::to_string(record.file_offset) + ": " + what};
  };
  chunk_slice slice;
  auto& source = slice.source;
  source.digest = record.digest;
  source.blob_index = record.blob_index;
  source.index = record.index;
  source.compressed_size = record.compressed_size;
  source.uncompressed_size = record.uncompressed_size;
  source.compressed_offset = record.compressed_offset;
  source.uncompressed_offset = record.uncompressed_offset;
  source.crc32c = record.crc32c;
  source.is_compressed = (record.flags & chunk_flag::compressed) != 0;
  source.has_crc32c = (record.flags & chunk_flag::has_crc32) != 0;
  if (source.uncompressed_size == 0 || source.uncompressed_size > chunk_size())
    return wrong("uncompressed_size is " + std::to_string(source.uncompressed_size));
  slice.size = source.uncompressed_size;
  if ((record.flags & chunk_flag::hole) != 0 && source.compressed_size == 0) {
    slice.is_hole = true; // images of 2020 (section 17)
    return slice;
  }
  if (source.blob_index >= blobs_.size())
    return wrong("blob_index is " + std::to_string(source.blob_index) + " of " +
                 std::to_string(blobs_.size()));
  const auto& held_by = blobs_[source.blob_index];
  const bool is_legacy_gzip = held_by.compression == compressor::gzip && source.is_compressed;
  const std::uint64_t stored = source.is_compressed ? source.compressed_size : source.uncompressed_size;
  // No encoder makes a chunk larger than this; a reader makes buffers of that size.
  if (!is_legacy_gzip && (stored == 0 || stored > 2 * std::uint64_t{chunk_size()} + 4096))
    return wrong("compressed_size is " + std::to_string(source.compressed_size));
  const auto ends_behind = [](std::uint64_t offset, std::uint64_t size, std::uint64_t limit) {
    return offset > limit || size > limit - offset;
  };
  constexpr std::uint64_t highest_offset = std::uint64_t{1} << 62;
  const auto blob_end = held_by.compressed_size != 0 ? held_by.compressed_size : highest_offset;
  if (ends_behind(source.compressed_offset, is_legacy_gzip ? 1 : stored, blob_end))
    return wrong("compressed_offset is " + std::to_string(source.compressed_offset) +
                 ", behind the blob's end");
  if (held_by.has_chunk_index()) {
    if (source.index >= held_by.chunk_count)
      return wrong("index is " + std::to_string(source.index) + " of " + std::to_string(held_by.chunk_count));
    if (ends_behind(source.uncompressed_offset, source.uncompressed_size, held_by.uncompressed_size))
      return wrong("uncompressed_offset is " + std::to_string(source.uncompressed_offset) +
                   ", behind the cache's end");
  } else if (ends_behind(source.uncompressed_offset, source.uncompressed_size, highest_offset)) {
    return wrong("uncompressed_offset is " + std::to_string(source.uncompressed_offset));
  }
  return slice;
}

result<void> image_v5::slices(inode_number inode, std::uint64_t offset, std::uint64_t size,
                              std::vector<chunk_slice>& slices) const {
  const auto file = view(inode);
  if (!file)
    return file.error();
  if (file->is_directory())
    return failure{errc::is_a_directory, {}};
  if (!file->is_regular())
    return failure{errc::malformed,
                   "inode " + std::to_string(static_cast<std::uint64_t>(inode)) + " is no file"};
  const std::uint64_t file_size = file->fields().size;
  if (offset >= file_size || size == 0)
    return {};
  const auto end = offset + std::min(size, file_size - offset);
  if ((file->fields().flags & inode_flag::has_hole) != 0)
    return slices_with_holes(*file, offset, end, slices);
  while (offset < end) {
    const auto k = offset / chunk_size();
    if (k >= file->fields().child_count)
      return failure{errc::corrupt, "RAFS v5 inode " + std::to_string(static_cast<std::uint64_t>(inode)) +
                                        " has " + std::to_string(file->fields().child_count) +
                                        " chunks for " + std::to_string(file_size) + " bytes"};
    const auto record = file->chunk_at(static_cast<std::uint32_t>(k));
    auto slice = slice_of(*file, record);
    if (!slice)
      return slice.error();
    const auto start = k * chunk_size();
    const auto expected = std::min<std::uint64_t>(chunk_size(), file_size - start);
    if (record.file_offset != start || slice->size != expected)
      return failure{errc::corrupt, "RAFS v5 inode " + std::to_string(static_cast<std::uint64_t>(inode)) +
                                        ", chunk " + std::to_string(k) + " holds " +
                                        std::to_string(slice->size) + " bytes from " +
                                        std::to_string(record.file_offset)};
    slice->offset = static_cast<std::uint32_t>(offset - start);
    slice->size = static_cast<std::uint32_t>(std::min(end, start + expected) - offset);
    offset += slice->size;
    slices.push_back(*slice);
  }
  return {};
}

result<void> image_v5::slices_with_holes(const inode_view& file, std::uint64_t offset, std::uint64_t end,
                                         std::vector<chunk_slice>& slices) const {
  const auto add_hole = [&](std::uint64_t until) {
    while (offset < until) {
      chunk_slice hole;
      hole.is_hole = true;
      hole.size = static_cast<std::uint32_t>(std::min<std::uint64_t>(until - offset, 1u << 30));
      offset += hole.size;
      slices.push_back(hole);
    }
  };
  for (std::uint32_t k = 0; k < file.fields().child_count && offset < end; ++k) {
    const auto record = file.chunk_at(k);
    const std::uint64_t start = record.file_offset;
    if (start >= end)
      break;
    const auto chunk_end = start + record.uncompressed_size;
    if (chunk_end < start || chunk_end <= offset)
      continue;
    auto slice = slice_of(file, record);
    if (!slice)
      return slice.error();
    add_hole(std::min(start, end));
    slice->offset = static_cast<std::uint32_t>(offset - start);
    slice->size = static_cast<std::uint32_t>(std::min(end, chunk_end) - offset);
    offset += slice->size;
    slices.push_back(*slice);
  }
  add_hole(end);
  return {};
}

result<void> image_v5::verify(inode_number inode) const {
  const auto found = view(inode);
  if (!found)
    return found.error();
  digest_stream stream{checked_.digests()};
  const auto feed = [&](const digest_bytes& digest) { stream.update(std::as_bytes(std::span{digest})); };
  if (found->is_directory()) {
    for (std::uint32_t k = 0; k < found->fields().child_count; ++k) {
      const auto one = child(*found, k);
      if (!one)
        return one.error();
      feed(one->fields().digest);
    }
  } else if (found->is_regular()) {
    for (std::uint32_t k = 0; k < found->fields().child_count; ++k)
      feed(found->chunk_at(k).digest);
  } else if (found->is_symlink()) {
    stream.update(std::as_bytes(std::span{found->target()}));
  }
  if (const auto digest = stream.finish(); digest != found->fields().digest)
    return failure{errc::corrupt, "RAFS v5 inode " + std::to_string(static_cast<std::uint64_t>(inode)) +
                                      ": its digest is " + to_hex(digest) + ", the image says " +
                                      to_hex(found->fields().digest)};
  return {};
}

} // namespace

result<std::shared_ptr<const image>> open(std::unique_ptr<mapped_file> file, std::size_t offset,
                                          std::size_t size, const std::string& image_name) {
  const auto bytes = file->bytes().subspan(offset, size);
  const auto checked = check(bytes);
  if (!checked)
    return checked.error();
  auto blobs = read_blobs(*checked, bytes, image_name);
  if (!blobs)
    return blobs.error();
  // Tells the layout before 2020's first release apart, whose superblock is the same (section 17.2).
  const auto first = inode_view::at(*checked, bytes, 1);
  if (!first)
    return failure{errc::corrupt, "the root cannot be read, the image may be of an unreleased version: " +
                                      first.error().detail};
  if (!first->is_directory())
    return failure{errc::corrupt, "RAFS v5 root is no directory"};
  return std::shared_ptr<const image>{
      std::make_shared<const image_v5>(std::move(file), bytes, *checked, std::move(*blobs))};
}

} // namespace nydus::rafs_v5
