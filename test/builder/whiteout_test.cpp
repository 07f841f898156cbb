// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "builder/whiteout.hpp"
#include "metadata/rafs_v5/layout.hpp"

using namespace nydus;
using namespace nydus::builder;

namespace {

tree_node node_of(std::string name, std::uint32_t mode, std::uint32_t device = 0) {
  tree_node node;
  node.name = std::move(name);
  node.mode = mode;
  node.device = device;
  return node;
}

} // namespace

TEST_SUITE_BEGIN("builder/whiteout");

TEST_CASE("by OCI's rules the name says what is gone, whatever the entry is") {
  for (const auto mode :
       {std::uint32_t{S_IFREG}, std::uint32_t{S_IFDIR}, std::uint32_t{S_IFLNK}, std::uint32_t{S_IFCHR}}) {
    const auto mark = whiteout_of(node_of(".wh.gone", mode), whiteout_spec::oci);
    CHECK(mark.kind == whiteout_kind::removes_name);
    CHECK(mark.name == "gone");
  }
  CHECK(whiteout_of(node_of(".wh..wh..opq", S_IFREG), whiteout_spec::oci).kind ==
        whiteout_kind::removes_children);
  CHECK(whiteout_of(node_of(".wh", S_IFREG), whiteout_spec::oci).kind == whiteout_kind::none);
  CHECK(whiteout_of(node_of("a.wh.b", S_IFREG), whiteout_spec::oci).kind == whiteout_kind::none);
  CHECK(whiteout_of(node_of(".wh.\xff", S_IFREG), whiteout_spec::oci).kind == whiteout_kind::none);
}

TEST_CASE("by overlayfs's rules a device 0:0 hides its name and an attribute makes a directory opaque") {
  const auto mark = whiteout_of(node_of("gone", S_IFCHR), whiteout_spec::overlayfs);
  CHECK(mark.kind == whiteout_kind::removes_name);
  CHECK(mark.name == "gone");
  CHECK(whiteout_of(node_of("null", S_IFCHR, 0x103), whiteout_spec::overlayfs).kind == whiteout_kind::none);
  CHECK(whiteout_of(node_of("disk", S_IFBLK), whiteout_spec::overlayfs).kind == whiteout_kind::none);

  auto directory = node_of("d", S_IFDIR);
  directory.xattrs = {{"trusted.overlay.opaque", "y"}};
  directory.flags = rafs_v5::inode_flag::xattr;
  CHECK(whiteout_of(directory, whiteout_spec::overlayfs).kind == whiteout_kind::opaque);
  CHECK(whiteout_of(directory, whiteout_spec::oci).kind == whiteout_kind::none);
  clear_opaque(directory);
  CHECK(directory.xattrs.empty());
  CHECK(directory.flags == 0);

  directory.xattrs = {{"trusted.overlay.opaque", "n"}, {"user.a", "1"}};
  directory.flags = rafs_v5::inode_flag::xattr;
  CHECK(whiteout_of(directory, whiteout_spec::overlayfs).kind == whiteout_kind::none);
  clear_opaque(directory);
  CHECK(directory.xattrs.size() == 1);
  CHECK(directory.flags == rafs_v5::inode_flag::xattr);
}

TEST_CASE("without rules nothing is a whiteout") {
  CHECK(whiteout_of(node_of(".wh.gone", S_IFREG), whiteout_spec::none).kind == whiteout_kind::none);
  CHECK(whiteout_of(node_of("gone", S_IFCHR), whiteout_spec::none).kind == whiteout_kind::none);
}
