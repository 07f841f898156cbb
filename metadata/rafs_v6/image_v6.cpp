// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v6/image_v6.hpp"

#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "metadata/rafs_v6/chunk_table.hpp"
#include "metadata/rafs_v6/directory_view.hpp"
#include "metadata/rafs_v6/inode_view.hpp"
#include "metadata/rafs_v6/tables.hpp"

namespace nydus::rafs_v6 {

namespace {

class image_v6 final : public image {
public:
  image_v6(std::unique_ptr<mapped_file> file, std::span<const std::byte> bytes,
           const checked_superblock& checked, std::vector<blob> blobs, chunk_table chunks)
      : file_(std::move(file)), bytes_(bytes), checked_(checked), blobs_(std::move(blobs)),
        chunks_(std::move(chunks)), opened_at_(std::time(nullptr)), owner_(::geteuid()), group_(::getegid()) {
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
  std::optional<inode_number> following(inode_number inode) const override;
  std::vector<inode_number> prefetch_list() const override { return read_prefetch_list(checked_, bytes_); }
  result<void> verify(inode_number inode) const override;

  /// corrupt if the root is no directory.
  result<void> check_root() const;

private:
  void describe();
  bool is_root(std::uint64_t nid) const noexcept { return nid == checked_.fields().root_nid; }
  result<inode_view> view(std::uint64_t nid) const { return inode_view::at(checked_, bytes_, nid); }
  result<inode_view> view(inode_number inode) const { return view(static_cast<std::uint64_t>(inode)); }
  result<inode_view> open_directory(inode_number inode) const;
  result<inode_view> open_file(inode_number inode) const;
  /// The inode of an entry of `directory`; of a directory, proven to belong to it: so no way down has a loop.
  result<inode_view> child(const inode_view& directory, std::uint64_t nid) const;
  result<std::uint64_t> parent_of(const inode_view& directory) const;
  inode_attributes attributes_of(const inode_view& inode) const noexcept;
  result<chunk> chunk_of(const inode_view& file, std::uint64_t k) const;

  std::unique_ptr<mapped_file> file_;
  std::span<const std::byte> bytes_;
  checked_superblock checked_;
  std::vector<blob> blobs_;
  chunk_table chunks_;
  image_description description_;
  std::time_t opened_at_;
  uid_t owner_;
  gid_t group_;
};

void image_v6::describe() {
  const auto& fields = checked_.fields();
  const auto& extended = checked_.extended();
  description_.format_version = 6;
  description_.chunk_size = extended.chunk_size;
  description_.inode_count = fields.inode_count;
  description_.highest_inode = (bytes_.size() - checked_.metadata_offset()) / slot_size;
  description_.root = inode_number{std::uint16_t{fields.root_nid}};
  description_.flags = extended.flags;
  description_.compression = checked_.compression();
  description_.digests = checked_.digests();
  description_.has_xattrs = (extended.flags & superblock_flag::has_xattr) != 0;
  description_.has_explicit_owners = (extended.flags & superblock_flag::explicit_uid_gid) != 0;
  description_.metadata_size = bytes_.size();
  description_.superblock_fields = {
      {"magic", fields.magic},
      {"version", 0x600},
      {"sb_size", sizeof fields},
      {"root_inode", fields.root_nid},
      {"chunk_size", extended.chunk_size},
      {"inodes_count", fields.inode_count},
      {"inode_table_entries", 0},
      {"inode_table_offset", 0},
      {"blob_table_offset", extended.blob_table_offset},
      {"blob_table_size", extended.blob_table_size},
      {"extended_blob_table_offset", 0},
      {"extended_blob_table_entries", 0},
      {"blob_device_table_count", fields.extra_devices},
      {"blob_device_table_offset", device_table_offset},
      {"prefetch_table_offset", extended.prefetch_table_offset},
      {"prefetch_table_entries", extended.prefetch_table_size / sizeof(le32)},
      {"meta_blkaddr", fields.metadata_block},
      {"root_nid", fields.root_nid},
      {"chunk_table_offset", extended.chunk_table_offset},
      {"chunk_table_size", extended.chunk_table_size},
  };
}

result<void> image_v6::check_root() const {
  const auto root = view(description_.root);
  if (!root)
    return failure{errc::corrupt, "the root cannot be read: " + root.error().detail};
  if (!root->is_directory())
    return failure{errc::corrupt, "RAFS v6 root is no directory"};
  return {};
}

result<inode_view> image_v6::open_directory(inode_number inode) const {
  auto directory = view(inode);
  if (directory && !directory->is_directory())
    return failure{errc::not_a_directory, "inode " + std::to_string(static_cast<std::uint64_t>(inode))};
  return directory;
}

result<std::uint64_t> image_v6::parent_of(const inode_view& directory) const {
  if (is_root(directory.nid()))
    return directory.nid();
  const auto above = directory_view{directory}.find("..");
  if (!above)
    return failure{errc::corrupt, "RAFS v6 inode " + std::to_string(directory.nid()) +
                                      ": the directory has no \"..\" " + above.error().detail};
  return above->nid;
}

result<inode_view> image_v6::child(const inode_view& directory, std::uint64_t nid) const {
  auto one = view(nid);
  if (!one || !one->is_directory())
    return one;
  const auto above = parent_of(*one);
  if (!above)
    return above.error();
  if (*above != directory.nid() || is_root(nid))
    return failure{errc::corrupt, "RAFS v6 inode " + std::to_string(nid) + ": its \"..\" is " +
                                      std::to_string(*above) + ", it is listed in " +
                                      std::to_string(directory.nid())};
  return one;
}

inode_attributes image_v6::attributes_of(const inode_view& inode) const noexcept {
  const auto& fields = inode.fields();
  inode_attributes shown;
  shown.number = inode_number{inode.nid()};
  shown.mode = std::uint32_t{fields.mode};
  if (is_root(inode.nid()))
    shown.mode = (shown.mode & ~std::uint32_t{0777}) | 0755;
  shown.uid = description_.has_explicit_owners ? std::uint32_t{fields.uid} : owner_;
  shown.gid = description_.has_explicit_owners ? std::uint32_t{fields.gid} : group_;
  shown.link_count = fields.link_count;
  shown.device = inode.is_device() ? std::uint32_t{fields.location} : 0;
  shown.size = fields.size;
  shown.blocks = (fields.size + 511) / 512;
  shown.modified_seconds = fields.mtime;
  shown.modified_nanoseconds = std::min<std::uint32_t>(fields.mtime_nsec, 999'999'999);
  if (shown.modified_seconds == 0 && shown.modified_nanoseconds == 0)
    shown.modified_seconds = static_cast<std::uint64_t>(opened_at_);
  return shown;
}

result<inode_attributes> image_v6::attributes(inode_number inode) const {
  const auto found = view(inode);
  if (!found)
    return found.error();
  return attributes_of(*found);
}

result<inode_attributes> image_v6::lookup(inode_number inode, std::string_view name) const {
  const auto directory = open_directory(inode);
  if (!directory)
    return directory.error();
  if (name == "." || name == "..")
    return failure{errc::not_found, {}};
  const auto entry = directory_view{*directory}.find(name);
  if (!entry)
    return entry.error();
  const auto found = child(*directory, entry->nid);
  if (!found)
    return found.error();
  return attributes_of(*found);
}

result<inode_number> image_v6::parent(inode_number inode) const {
  const auto directory = open_directory(inode);
  if (!directory)
    return directory.error();
  const auto above = parent_of(*directory);
  if (!above)
    return above.error();
  if (const auto holder = open_directory(inode_number{*above}); !holder)
    return holder.error();
  return inode_number{*above};
}

result<void> image_v6::list(inode_number inode, std::uint64_t offset, const entry_visitor& visit) const {
  const auto directory = open_directory(inode);
  if (!directory)
    return directory.error();
  result<void> outcome;
  auto listed = directory_view{*directory}.each(offset, [&](const directory_view::entry& entry) {
    if (entry.name == "." || entry.name == "..")
      return true;
    // Records of children lie one behind the other.
    const auto record = checked_.metadata_offset() + entry.nid * slot_size;
    if (record < bytes_.size())
      file_->expect(static_cast<std::size_t>(bytes_.data() - file_->bytes().data()) + record);
    const auto found = child(*directory, entry.nid);
    if (!found)
      outcome = found.error();
    return found && visit({entry.name, entry.next, attributes_of(*found)});
  });
  return listed ? outcome : listed;
}

result<std::string_view> image_v6::symlink_target(inode_number inode) const {
  const auto found = view(inode);
  if (!found)
    return found.error();
  if (!found->is_symlink())
    return failure{errc::malformed,
                   "inode " + std::to_string(static_cast<std::uint64_t>(inode)) + " is no symlink"};
  return found->target();
}

result<std::string_view> image_v6::xattr(inode_number inode, std::string_view name) const {
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

result<void> image_v6::list_xattrs(inode_number inode, const xattr_visitor& visit) const {
  const auto found = view(inode);
  if (!found)
    return found.error();
  return found->each_xattr([&](std::string_view key, std::string_view value) {
    visit(key, value);
    return true;
  });
}

result<inode_view> image_v6::open_file(inode_number inode) const {
  auto file = view(inode);
  if (!file)
    return file;
  if (file->is_directory())
    return failure{errc::is_a_directory, {}};
  if (!file->is_regular())
    return failure{errc::malformed,
                   "inode " + std::to_string(static_cast<std::uint64_t>(inode)) + " is no file"};
  return file;
}

/// Chunk `k` of the file, which lies in it where its index and its record agree.
result<chunk> image_v6::chunk_of(const inode_view& file, std::uint64_t k) const {
  const auto wrong = [&](const std::string& what) {
    return failure{errc::corrupt, "RAFS v6 inode " + std::to_string(file.nid()) + ", chunk " +
                                      std::to_string(k) + ": " + what};
  };
  const auto named = file.chunk_at(k);
  const std::uint32_t index = named.index_low | std::uint32_t{named.index_high} << 16;
  if (named.device == 0 || named.device > blobs_.size())
    return wrong("its device is " + std::to_string(named.device) + " of " + std::to_string(blobs_.size()));
  const auto record = chunks_.find(named.device - 1u, index);
  if (!record)
    return wrong("the chunk table has no chunk " + std::to_string(index) + " of blob " +
                 std::to_string(named.device - 1));
  const auto found = to_chunk(*record);
  if (auto checked = check_place(found, blobs_, description_.chunk_size); !checked)
    return wrong(checked.error().detail);
  if (found.uncompressed_offset != named.block * block_size)
    return wrong("its block is " + std::to_string(named.block) + ", its uncompressed_offset " +
                 std::to_string(found.uncompressed_offset));
  const std::uint64_t chunk_size = description_.chunk_size;
  if (const auto expected = std::min(chunk_size, file.fields().size - k * chunk_size);
      found.uncompressed_size != expected)
    return wrong("it holds " + std::to_string(found.uncompressed_size) + " bytes, " +
                 std::to_string(expected) + " of the file lie there");
  return found;
}

result<void> image_v6::slices(inode_number inode, std::uint64_t offset, std::uint64_t size,
                              std::vector<chunk_slice>& slices) const {
  const auto file = open_file(inode);
  if (!file)
    return file.error();
  const std::uint64_t file_size = file->fields().size;
  if (offset >= file_size || size == 0)
    return {};
  const auto end = offset + std::min(size, file_size - offset);
  const std::uint64_t chunk_size = description_.chunk_size;
  while (offset < end) {
    const auto k = offset / chunk_size;
    const auto source = chunk_of(*file, k);
    if (!source)
      return source.error();
    chunk_slice slice;
    slice.source = *source;
    slice.offset = static_cast<std::uint32_t>(offset - k * chunk_size);
    slice.size = static_cast<std::uint32_t>(std::min(end, (k + 1) * chunk_size) - offset);
    offset += slice.size;
    slices.push_back(slice);
  }
  return {};
}

std::optional<inode_number> image_v6::following(inode_number inode) const {
  const auto found = view(inode);
  if (!found)
    return std::nullopt;
  return inode_number{found->next_nid()};
}

/// There are no digests of inodes; what can be told is whether each chunk is there.
result<void> image_v6::verify(inode_number inode) const {
  const auto found = view(inode);
  if (!found)
    return found.error();
  for (std::uint64_t k = 0; found->is_regular() && k < found->chunk_count(); ++k)
    if (auto there = chunk_of(*found, k); !there)
      return there.error();
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
  const auto& extended = checked->extended();
  auto chunks =
      chunk_table::read(bytes.subspan(extended.chunk_table_offset, extended.chunk_table_size), blobs->size());
  if (!chunks)
    return chunks.error();
  auto opened = std::make_shared<const image_v6>(std::move(file), bytes, *checked, std::move(*blobs),
                                                 std::move(*chunks));
  if (auto root = opened->check_root(); !root)
    return root.error();
  return std::shared_ptr<const image>{std::move(opened)};
}

} // namespace nydus::rafs_v6
