// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "builder/inode_numbering.hpp"
#include "test/fakes/small_tree.hpp"

using namespace nydus::builder;

namespace {

tree_node& add_link(small_tree& tree, const std::string& path, std::uint64_t inode,
                    bool is_inherited = false) {
  auto& node = tree.add(path);
  node.source_inode = inode;
  node.may_have_links = true;
  node.is_inherited = is_inherited;
  return node;
}

} // namespace

TEST_SUITE_BEGIN("builder/inode_numbering");

TEST_CASE(
    "children are consecutive and a subtree is complete before its next sibling's (spec section 19.4)") {
  small_tree tree;
  const auto& x = tree.add("/a/x");
  const auto& y = tree.add("/a/d/y");
  const auto& z = tree.add("/b/z");
  const auto& c = tree.add("/c");
  const auto numbered = number_inodes(tree.root());
  CHECK(tree.root().index == 1);
  CHECK(tree.root().child_index == 2);
  CHECK(c.index == 4);
  CHECK(x.parent->child_index == 5);
  CHECK(y.parent->index == 5);
  CHECK(x.index == 6);
  CHECK(y.index == 7);
  CHECK(z.index == 8);
  CHECK(numbered.by_index.size() == 8);
  CHECK(numbered.unique_count == 8);
  CHECK(tree.root().link_count == 4);
  CHECK(x.parent->link_count == 3);
  CHECK(x.link_count == 1);
}

TEST_CASE("an empty directory's children would start at the next index") {
  small_tree tree;
  const auto& empty = tree.add_directory("/empty");
  tree.add("/file");
  number_inodes(tree.root());
  CHECK(empty.child_index == 4);
  CHECK(empty.link_count == 2);
}

TEST_CASE("links of one file share its number and count each other") {
  small_tree tree;
  const auto& second = add_link(tree, "/b/second", 7);
  const auto& first = add_link(tree, "/a/first", 7);
  const auto& other = add_link(tree, "/c", 8);
  const auto numbered = number_inodes(tree.root());
  CHECK(first.number == first.index);
  CHECK(second.number == first.index);
  CHECK(second.index != first.index);
  CHECK(first.link_count == 2);
  CHECK(second.link_count == 2);
  CHECK(other.link_count == 1);
  CHECK(numbered.unique_count == numbered.by_index.size() - 1);
}

TEST_CASE("links never join across layers or devices, and only regular files have them") {
  small_tree tree;
  const auto& below = add_link(tree, "/below", 7, true);
  const auto& above = add_link(tree, "/here", 7);
  auto& elsewhere = add_link(tree, "/there", 7);
  elsewhere.source_device = 2;
  const auto& symlink = add_link(tree, "/symlink", 7);
  const_cast<tree_node&>(symlink).mode = S_IFLNK | 0777;
  const auto numbered = number_inodes(tree.root());
  for (const auto* node : {&below, &above, static_cast<const tree_node*>(&elsewhere), &symlink}) {
    CHECK(node->number == node->index);
    CHECK(node->link_count == 1);
  }
  CHECK(numbered.unique_count == 5);
}
