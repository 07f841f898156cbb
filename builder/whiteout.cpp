// SPDX-License-Identifier: Apache-2.0
#include "builder/whiteout.hpp"

#include <algorithm>
#include <string_view>

#include "builder/readable_text.hpp"
#include "metadata/rafs_v5/layout.hpp"

namespace nydus::builder {

namespace {

constexpr std::string_view oci_prefix = ".wh.";
constexpr std::string_view oci_opaque = ".wh..wh..opq";
constexpr std::string_view overlayfs_opaque = "trusted.overlay.opaque";

} // namespace

whiteout whiteout_of(const tree_node& node, whiteout_spec spec) {
  switch (spec) {
  case whiteout_spec::none:
    break;
  case whiteout_spec::oci:
    if (!node.name.starts_with(oci_prefix) || !is_utf8(node.name)) // the public builder compares text
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
