// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v6/inode_view.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "protocol/bytes/byte_reader.hpp"

namespace nydus::rafs_v6 {

namespace {

constexpr std::uint32_t type_mask = 0170000;
constexpr std::uint64_t largest_file = std::uint64_t{1} << 62; // beyond, offsets do not fit off_t

failure wrong(std::uint64_t nid, const std::string& what) {
  return {errc::corrupt, "RAFS v6 inode " + std::to_string(nid) + ": " + what};
}

std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The layout that inodes of a mode's type have; none of an unknown type. Special files have no data and the
/// first one's number.
bool has_right_layout(std::uint32_t mode, data_layout layout) noexcept {
  switch (mode & type_mask) {
  case 0010000: // fifo
  case 0020000: // character device
  case 0060000: // block device
  case 0140000: // socket
    return true;
  case 0040000: // directory
  case 0120000: // symbolic link
    return layout == data_layout::flat_plain || layout == data_layout::flat_inline;
  case 0100000: // regular file
    return layout == data_layout::chunk_based;
  default:
    return false;
  }
}

extended_inode extended(const compact_inode& compact) noexcept {
  extended_inode inode{};
  inode.format = compact.format;
  inode.xattr_count = compact.xattr_count;
  inode.mode = compact.mode;
  inode.size = std::uint32_t{compact.size};
  inode.location = compact.location;
  inode.number = compact.number;
  inode.uid = std::uint16_t{compact.uid};
  inode.gid = std::uint16_t{compact.gid};
  inode.link_count = std::uint16_t{compact.link_count};
  return inode;
}

result<extended_inode> read_fields(byte_reader& record, std::uint64_t nid) {
  auto peeked = record;
  const auto format = peeked.take<le16>();
  if (!format)
    return wrong(nid, "its record is cut short");
  if ((*format & ~format_bits) != 0)
    return wrong(nid, "i_format is " + std::to_string(*format));
  if ((*format & extended_format) == 0) {
    const auto compact = record.take<compact_inode>();
    return compact ? result<extended_inode>{extended(*compact)} : wrong(nid, "its record is cut short");
  }
  const auto whole = record.take<extended_inode>();
  return whole ? result<extended_inode>{*whole} : wrong(nid, "its record is cut short");
}

} // namespace

result<inode_view> inode_view::at(const checked_superblock& checked, std::span<const std::byte> image,
                                  std::uint64_t nid) {
  const auto metadata = image.subspan(checked.metadata_offset());
  if (nid >= metadata.size() / slot_size)
    return failure{errc::not_found, "no inode " + std::to_string(nid) + " among " +
                                        std::to_string(metadata.size() / slot_size)};
  byte_reader record{metadata.subspan(nid * slot_size)};
  const auto start = record.remaining();
  const auto fields = read_fields(record, nid);
  if (!fields)
    return fields.error();
  inode_view view;
  view.nid_ = nid;
  view.fields_ = *fields;
  const auto layout = static_cast<data_layout>(fields->format >> 1);
  const std::uint64_t size = fields->size;
  if (!has_right_layout(fields->mode, layout))
    return wrong(nid, "i_format is " + std::to_string(fields->format) + " with i_mode " +
                          std::to_string(fields->mode));
  if (fields->link_count == 0)
    return wrong(nid, "i_nlink is 0");
  if (size > largest_file || (view.is_symlink() && (size == 0 || size > longest_target)))
    return wrong(nid, "i_size is " + std::to_string(size));

  if (fields->xattr_count != 0) {
    const auto header = record.take<xattr_header>();
    const auto entries = record.take_bytes((fields->xattr_count - 1u) * std::size_t{4});
    if (!header || !entries)
      return wrong(nid, "its xattrs are cut short");
    if (header->shared_count != 0)
      return wrong(nid, "h_shared_count is " + std::to_string(header->shared_count));
    view.xattrs_ = *entries;
  }

  std::uint64_t body_size = 0;
  if (view.is_regular()) {
    if ((fields->location & chunk_indexes_format) == 0)
      return wrong(nid, "its chunk format is " + std::to_string(fields->location));
    const std::uint64_t chunk_size = checked.extended().chunk_size;
    body_size = (size + chunk_size - 1) / chunk_size * sizeof(chunk_index);
    if ((start - record.remaining()) % sizeof(chunk_index) != 0) // indexes are aligned to 8, xattrs to 4
      (void) record.take_bytes(4);
  } else if (view.is_directory() || view.is_symlink()) {
    body_size = layout == data_layout::flat_inline ? size % block_size : 0;
    const auto whole_offset = std::uint64_t{fields->location} * block_size;
    const auto whole_size = size - body_size;
    if (whole_size != 0 && (whole_offset > image.size() || whole_size > image.size() - whole_offset))
      return wrong(nid, "its data of " + std::to_string(whole_size) + " bytes at " +
                            std::to_string(whole_offset) + " does not lie inside the image");
    if (whole_size != 0)
      view.whole_ = image.subspan(whole_offset, whole_size);
  }
  const auto body = record.take_bytes(body_size);
  if (!body)
    return wrong(nid, "its " + std::to_string(body_size) + " bytes of chunk indexes or data are cut short");
  view.body_ = *body;
  view.record_size_ = start - record.remaining();
  return view;
}

chunk_index inode_view::chunk_at(std::uint64_t k) const noexcept {
  chunk_index index;
  std::memcpy(&index, body_.data() + k * sizeof index, sizeof index);
  return index;
}

std::uint64_t inode_view::block_count() const noexcept {
  return (fields_.size + block_size - 1) / block_size;
}

std::span<const std::byte> inode_view::block(std::uint64_t k) const noexcept {
  const auto offset = k * block_size;
  if (offset >= whole_.size())
    return body_;
  return whole_.subspan(offset, std::min<std::uint64_t>(block_size, whole_.size() - offset));
}

std::string_view inode_view::target() const noexcept {
  return as_text(whole_.empty() ? body_ : whole_);
}

result<void> inode_view::each_xattr(
    const std::function<bool(std::string_view name, std::string_view value)>& visit) const {
  static constexpr std::array<std::string_view, 7> prefixes{
      "", "user.", "system.posix_acl_access", "system.posix_acl_default", "trusted.", "", "security."};
  byte_reader rest{xattrs_};
  std::string name;
  while (rest.remaining() > 0) {
    const auto before = rest.remaining();
    const auto entry = rest.take<xattr_entry>();
    if (!entry)
      return wrong(nid_, "the sizes of its xattrs disagree");
    const auto suffix = rest.take_bytes(entry->name_size);
    const auto value = rest.take_bytes(entry->value_size);
    const auto padding = rest.take_bytes((4 - (before - rest.remaining()) % 4) % 4);
    if (!suffix || !value || !padding)
      return wrong(nid_, "the sizes of its xattrs disagree");
    if (entry->name_index >= prefixes.size() || prefixes[entry->name_index].empty())
      return wrong(nid_, "e_name_index of an xattr is " + std::to_string(entry->name_index));
    name = prefixes[entry->name_index];
    name += as_text(*suffix);
    if (name.back() == '.' || name.size() > 255 || name.find('\0') != std::string::npos)
      return wrong(nid_, "an xattr's name has " + std::to_string(name.size()) + " bytes, or NUL");
    if (!visit(name, as_text(*value)))
      break;
  }
  return {};
}

} // namespace nydus::rafs_v6
