// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v5/image_v5.hpp"

#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "metadata/rafs_v5/file_chunks.hpp"
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
  std::optional<inode_number> following(inode_number inode) const override;
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
    shown.mode = (shown.mode & ~std::uint32_t{0777}) | 0755;
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
  const std::uint64_t number = child.fields().number;
  if (number == child.index())
    return attributes_of(child);
  const auto first = view(number);
  if (!first)
    return first.error();
  if (first->fields().number != number || first->is_directory() ||
      ((first->fields().mode ^ child.fields().mode) & 0170000) != 0)
    return failure{errc::corrupt, "RAFS v5 inode " + std::to_string(child.index()) + ": i_ino is " +
                                      std::to_string(number) + ", which is no link of the same file"};
  return attributes_of(*first);
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
  if (inode == root)
    return root;
  const inode_number above{std::uint64_t{directory->fields().parent}};
  if (const auto holder = directory_view(above); !holder)
    return holder.error();
  return above;
}

result<void> image_v5::list(inode_number inode, std::uint64_t offset, const entry_visitor& visit) const {
  const auto directory = directory_view(inode);
  if (!directory)
    return directory.error();
  for (auto k = offset; k < directory->fields().child_count; ++k) {
    const auto found = child(*directory, static_cast<std::uint32_t>(k));
    if (!found)
      return found.error();
    // Records of children lie one behind the other.
    file_->expect(
        static_cast<std::size_t>(std::as_bytes(std::span{found->name()}).data() - file_->bytes().data()));
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
  return file_chunks{*file, blobs_, checked_.fields().block_size}.cut(offset, size, slices);
}

std::optional<inode_number> image_v5::following(inode_number inode) const {
  const auto next = static_cast<std::uint64_t>(inode) + 1;
  return next <= description_.highest_inode ? std::optional{inode_number{next}} : std::nullopt;
}

result<void> image_v5::verify(inode_number inode) const {
  const auto found = view(inode);
  if (!found)
    return found.error();
  // Legacy stargz images name their chunks and inodes by SHA-256, whatever the flags say (section 11).
  digest_stream stream{checked_.compression() == compressor::gzip ? digester::sha256 : checked_.digests()};
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
