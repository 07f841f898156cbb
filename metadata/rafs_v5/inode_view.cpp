// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v5/inode_view.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "protocol/bytes/byte_reader.hpp"

namespace nydus::rafs_v5 {

namespace {

failure wrong(std::uint64_t index, const std::string& what) {
  return {errc::corrupt, "RAFS v5 inode " + std::to_string(index) + ": " + what};
}

std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_entry_name(std::string_view name) noexcept {
  return name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

result<void> check_numbers(std::uint64_t index, const inode& fields, std::uint32_t entries) {
  if (fields.number == 0 || fields.number > entries)
    return wrong(index, "i_ino is " + std::to_string(fields.number) + " of " + std::to_string(entries));
  if ((fields.parent == 0) != (index == 1) || fields.parent > entries)
    return wrong(index, "i_parent is " + std::to_string(fields.parent));
  if (fields.link_count == 0)
    return wrong(index, "i_nlink is 0");
  if (fields.name_size == 0 || fields.name_size > 255)
    return wrong(index, "i_name_size is " + std::to_string(fields.name_size) + "; 1 to 255 is right");
  const bool is_directory = (fields.mode & 0170000) == 0040000;
  if (is_directory && fields.number != index)
    return wrong(index, "a directory's i_ino is " + std::to_string(fields.number)); // reached twice
  if (is_directory && fields.child_count != 0 &&
      (fields.child_index <= index || fields.child_count > entries ||
       fields.child_index > entries - fields.child_count + 1))
    return wrong(index, "children " + std::to_string(fields.child_index) + " and " +
                            std::to_string(fields.child_count) + " more of " + std::to_string(entries));
  if (fields.link_count == 1 && fields.parent >= fields.number)
    return wrong(index,
                 "i_parent is " + std::to_string(fields.parent) + ", i_ino " + std::to_string(fields.number));
  return {};
}

} // namespace

result<inode_view> inode_view::at(const checked_superblock& checked, std::span<const std::byte> image,
                                  std::uint64_t index) {
  const auto& superblock = checked.fields();
  const std::uint32_t entries = superblock.inode_table_entries;
  if (index == 0 || index > entries)
    return failure{errc::not_found,
                   "no inode " + std::to_string(index) + " among " + std::to_string(entries)};
  le32 slot;
  std::memcpy(&slot, image.data() + superblock.inode_table_offset + (index - 1) * sizeof slot, sizeof slot);
  const auto offset = std::uint64_t{slot} * alignment;
  if (offset < superblock_size || offset >= image.size())
    return wrong(index, "its record at " + std::to_string(offset) + " lies outside the image");
  byte_reader record{image.subspan(offset)};
  const auto fields = record.take<inode>();
  if (!fields)
    return wrong(index, "its record is cut short");
  inode_view view;
  view.fields_ = *fields;
  if (auto numbers = check_numbers(index, view.fields_, entries); !numbers)
    return numbers.error();

  const auto name = record.take_bytes(align8(fields->name_size));
  const auto target = record.take_bytes(align8(fields->symlink_size));
  if (!name || !target)
    return wrong(index, "its name or target is cut short");
  view.name_ = as_text(name->first(fields->name_size));
  view.target_ = as_text(target->first(fields->symlink_size));
  if (index != 1 && !is_entry_name(view.name_))
    return wrong(index, "its name holds '/' or NUL, or is '.' or '..'");
  if (view.is_symlink() && view.target_.empty())
    return wrong(index, "i_symlink_size is 0");

  if ((fields->flags & inode_flag::xattr) != 0) {
    const auto total = record.take<le64>();
    if (!total || *total > record.remaining())
      return wrong(index, "its xattrs are cut short");
    view.xattrs_ = record.take_bytes(*total).operator*();
    if (const auto padding = align8(*total) - *total; !record.take_bytes(padding))
      return wrong(index, "its xattrs are cut short");
  }
  if (view.is_regular()) {
    const auto chunks = record.take_bytes(std::size_t{fields->child_count} * sizeof(chunk_record));
    if (!chunks)
      return wrong(index, std::to_string(fields->child_count) + " chunk records are cut short");
    view.chunks_ = *chunks;
  }
  return view;
}

chunk_record inode_view::chunk_at(std::uint32_t k) const noexcept {
  chunk_record record;
  std::memcpy(&record, chunks_.data() + std::size_t{k} * sizeof record, sizeof record);
  return record;
}

result<void> inode_view::each_xattr(
    const std::function<bool(std::string_view name, std::string_view value)>& visit) const {
  byte_reader rest{xattrs_};
  while (rest.remaining() > 0) {
    const auto size = rest.take<le32>();
    if (!size || *size > rest.remaining())
      return wrong(fields_.number, "the sizes of its xattrs disagree");
    const auto pair = as_text(*rest.take_bytes(*size));
    const auto nul = pair.find('\0');
    if (nul == std::string_view::npos)
      continue; // no key: passed over, as every reader does (section 9)
    if (!visit(pair.substr(0, nul), pair.substr(nul + 1)))
      break;
  }
  return {};
}

} // namespace nydus::rafs_v5
