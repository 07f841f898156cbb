// SPDX-License-Identifier: Apache-2.0
#include "builder/xattr_area_v6.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <string_view>

#include "metadata/rafs_v6/layout.hpp"

namespace nydus::builder {

namespace {

using rafs_v6::xattr_entry;
using rafs_v6::xattr_header;

constexpr std::uint64_t unit = 4;

struct prefix {
  std::string_view text;
  std::uint8_t index;
  bool is_whole_name;
};
constexpr std::array<prefix, 5> prefixes{{{"user.", 1, false},
                                          {"system.posix_acl_access", 2, true},
                                          {"system.posix_acl_default", 3, true},
                                          {"trusted.", 4, false},
                                          {"security.", 6, false}}};

const prefix* prefix_of(std::string_view name) noexcept {
  const auto found = std::find_if(prefixes.begin(), prefixes.end(), [&](const prefix& one) {
    return name.starts_with(one.text) && (name.size() == one.text.size()) == one.is_whole_name;
  });
  return found == prefixes.end() ? nullptr : &*found;
}

std::uint64_t entry_size(const extended_attribute& one, const prefix& of) noexcept {
  const auto size = sizeof(xattr_entry) + one.name.size() - of.text.size() + one.value.size();
  return (size + unit - 1) / unit * unit;
}

} // namespace

std::uint64_t xattr_area_size(const tree_node& node) {
  std::uint64_t size = node.xattrs.empty() ? 0 : sizeof(xattr_header);
  for (const auto& one : node.xattrs)
    if (const auto* of = prefix_of(one.name))
      size += entry_size(one, *of);
  return size;
}

std::vector<std::byte> xattr_area(const tree_node& node) {
  std::vector<std::byte> area(node.xattrs.empty() ? 0 : sizeof(xattr_header));
  const auto append = [&area](std::span<const std::byte> bytes) {
    area.insert(area.end(), bytes.begin(), bytes.end());
  };
  for (const auto& one : node.xattrs) {
    const auto* of = prefix_of(one.name);
    if (of == nullptr)
      continue;
    const auto end = area.size() + entry_size(one, *of);
    const auto suffix = std::string_view{one.name}.substr(of->text.size());
    const xattr_entry entry{static_cast<std::uint8_t>(suffix.size()), of->index,
                            static_cast<std::uint16_t>(one.value.size())};
    append(std::as_bytes(std::span{&entry, 1}));
    append(std::as_bytes(std::span{suffix}));
    append(std::as_bytes(std::span{one.value}));
    area.resize(end);
  }
  return area;
}

result<void> check_xattrs(const tree_node& node) {
  for (const auto& one : node.xattrs) {
    if (prefix_of(one.name) == nullptr || one.name.size() > 255)
      return failure{errc::not_supported, path_of(node) + ": attribute " + one.name +
                                              " cannot be stored in RAFS v6; user.*, trusted.*, security.* "
                                              "and system.posix_acl_access and _default can"};
    if (one.value.size() > std::numeric_limits<std::uint16_t>::max())
      return failure{errc::not_supported, path_of(node) + ": attribute " + one.name + " has " +
                                              std::to_string(one.value.size()) +
                                              " bytes, RAFS v6 can hold 65535"};
  }
  constexpr auto most = sizeof(xattr_header) + unit * (std::numeric_limits<std::uint16_t>::max() - 1);
  if (const auto size = xattr_area_size(node); size > most)
    return failure{errc::not_supported, path_of(node) + ": its attributes have " + std::to_string(size) +
                                            " bytes, RAFS v6 can hold " + std::to_string(most)};
  return {};
}

} // namespace nydus::builder
