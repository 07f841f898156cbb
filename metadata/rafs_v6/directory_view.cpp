// SPDX-License-Identifier: Apache-2.0
#include "metadata/rafs_v6/directory_view.hpp"

#include <cstring>
#include <string>

namespace nydus::rafs_v6 {

namespace {

// A cursor: block, and entry in it. More entries than that have no place in a block.
constexpr std::uint64_t most_entries = 512;
static_assert(block_size / sizeof(dirent) < most_entries);
constexpr std::size_t longest_name = 255;

} // namespace

/// Dirents, then their names.
class directory_view::block {
public:
  block(std::span<const std::byte> bytes, std::uint64_t nid, std::uint64_t number)
      : bytes_(bytes), nid_(nid), number_(number) {}

  /// How many entries it says it has; at least 1.
  result<std::uint64_t> count() const {
    if (bytes_.size() < sizeof(dirent))
      return wrong("it has " + std::to_string(bytes_.size()) + " bytes");
    const std::uint64_t names = dirent_at(0).name_offset;
    if (names == 0 || names % sizeof(dirent) != 0 || names >= bytes_.size())
      return wrong("the first nameoff is " + std::to_string(names));
    return names / sizeof(dirent);
  }

  /// i < count
  result<entry> at(std::uint64_t i, std::uint64_t count) const {
    const auto one = dirent_at(i);
    const std::uint64_t begin = one.name_offset;
    const std::uint64_t end = i + 1 < count ? std::uint64_t{dirent_at(i + 1).name_offset} : bytes_.size();
    if (begin < count * sizeof(dirent) || begin >= end || end > bytes_.size())
      return wrong("the name of entry " + std::to_string(i) + " is said to lie from " +
                   std::to_string(begin) + " to " + std::to_string(end));
    std::string_view name{reinterpret_cast<const char*>(bytes_.data()) + begin, end - begin};
    if (i + 1 == count)
      name = name.substr(0, name.find('\0')); // what is left of the block
    if (name.empty() || name.size() > longest_name || name.find('/') != std::string_view::npos ||
        name.find('\0') != std::string_view::npos)
      return wrong("the name of entry " + std::to_string(i) + " has " + std::to_string(name.size()) +
                   " bytes, or holds '/' or NUL");
    return entry{name, one.nid,
                 i + 1 < count ? number_ * most_entries + i + 1 : (number_ + 1) * most_entries};
  }

private:
  dirent dirent_at(std::uint64_t i) const noexcept {
    dirent one;
    std::memcpy(&one, bytes_.data() + i * sizeof one, sizeof one);
    return one;
  }
  failure wrong(const std::string& what) const {
    return {errc::corrupt, "RAFS v6 inode " + std::to_string(nid_) + ", block " + std::to_string(number_) +
                               " of the directory: " + what};
  }

  std::span<const std::byte> bytes_;
  std::uint64_t nid_;
  std::uint64_t number_;
};

directory_view::block directory_view::block_at(std::uint64_t k) const noexcept {
  return {directory_.block(k), directory_.nid(), k};
}

result<directory_view::entry> directory_view::find(std::string_view name) const {
  // The last block that begins with no later name, then the entry in it.
  std::uint64_t low = 0;
  std::uint64_t high = directory_.block_count();
  while (low < high) {
    const auto middle = low + (high - low) / 2;
    const auto there = block_at(middle);
    const auto count = there.count();
    if (!count)
      return count.error();
    const auto first = there.at(0, *count);
    if (!first)
      return first.error();
    if (first->name <= name)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0)
    return failure{errc::not_found, {}};
  const auto there = block_at(low - 1);
  const auto count = there.count();
  if (!count)
    return count.error();
  std::uint64_t from = 0;
  std::uint64_t to = *count;
  while (from < to) {
    const auto middle = from + (to - from) / 2;
    auto found = there.at(middle, *count);
    if (!found)
      return found;
    const auto order = found->name.compare(name);
    if (order == 0)
      return found;
    if (order < 0)
      from = middle + 1;
    else
      to = middle;
  }
  return failure{errc::not_found, {}};
}

result<void> directory_view::each(std::uint64_t cursor, const visitor& visit) const {
  auto i = cursor % most_entries;
  for (auto k = cursor / most_entries; k < directory_.block_count(); ++k, i = 0) {
    const auto there = block_at(k);
    const auto count = there.count();
    if (!count)
      return count.error();
    for (; i < *count; ++i) {
      const auto found = there.at(i, *count);
      if (!found)
        return found.error();
      if (!visit(*found))
        return {};
    }
  }
  return {};
}

} // namespace nydus::rafs_v6
