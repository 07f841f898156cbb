// SPDX-License-Identifier: Apache-2.0
#include "builder/whiteout.hpp"

#include <algorithm>
#include <string_view>

#include "metadata/rafs_v5/layout.hpp"

namespace nydus::builder {

namespace {

constexpr std::string_view oci_prefix = ".wh.";
constexpr std::string_view oci_opaque = ".wh..wh..opq";
constexpr std::string_view overlayfs_opaque = "trusted.overlay.opaque";

/// Names that are no UTF-8 are never whiteouts. Overlong forms and surrogates are no UTF-8.
bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || i + length > text.size())
      return false;
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      const unsigned low = k > 1 ? 0x80 : first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
      const unsigned high = k > 1 ? 0xbf : first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
      if (next < low || next > high)
        return false;
    }
    i += length;
  }
  return true;
}

} // namespace

whiteout whiteout_of(const tree_node& node, whiteout_spec spec) {
  switch (spec) {
  case whiteout_spec::none:
    break;
  case whiteout_spec::oci:
    if (!node.name.starts_with(oci_prefix) || !is_utf8(node.name))
      break;
    if (node.name == oci_opaque)
      return {whiteout_kind::removes_children, {}};
    return {whiteout_kind::removes_name, node.name.substr(oci_prefix.size())};
  case whiteout_spec::overlayfs:
    if (S_ISCHR(node.mode) && node.device == 0)
      return {whiteout_kind::removes_name, node.name};
    if (node.is_directory() && std::any_of(node.xattrs.begin(), node.xattrs.end(), [](const auto& one) {
          return one.name == overlayfs_opaque && one.value == "y";
        }))
      return {whiteout_kind::opaque, {}};
    break;
  }
  return {};
}

void clear_opaque(tree_node& directory) {
  std::erase_if(directory.xattrs, [](const auto& one) { return one.name == overlayfs_opaque; });
  if (directory.xattrs.empty())
    directory.flags &= ~rafs_v5::inode_flag::xattr;
}

} // namespace nydus::builder
