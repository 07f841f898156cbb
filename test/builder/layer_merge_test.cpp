// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "builder/layer_merge.hpp"
#include "test/fakes/small_tree.hpp"

using namespace nydus;
using namespace nydus::builder;
using paths = std::vector<std::string>;

TEST_SUITE_BEGIN("builder/layer_merge");

TEST_CASE("entries of both layers show, those of the upper one where both have a name") {
  small_tree lower, upper;
  lower.add("/a/both", S_IFREG | 0600);
  lower.add("/a/lower");
  lower.add("/directory/in/it");
  lower.add("/file");
  upper.add("/a/both", S_IFREG | 0644);
  upper.add("/a/upper");
  upper.add("/directory", S_IFREG | 0644); // a file in place of a directory
  upper.add("/file/inside");               // and the other way
  merge_layers(lower.root(), upper.root(), whiteout_spec::oci);
  CHECK(upper.paths() ==
        paths{"/", "/a/", "/a/both", "/a/lower", "/a/upper", "/directory", "/file/", "/file/inside"});
  CHECK(find_child(*upper.root().children[0], "both")->mode == (S_IFREG | 0644));
}

TEST_CASE("OCI whiteouts remove what lies below and nothing of their own layer") {
  small_tree lower, upper;
  lower.add("/gone/with/all");
  lower.add("/keep/old");
  lower.add("/opaque/old/deep");
  lower.add("/opaque/both");
  upper.add("/.wh.gone");
  upper.add("/.wh.never-was");
  upper.add("/keep/.wh.new");
  upper.add("/keep/new");
  upper.add("/opaque/.wh..wh..opq");
  upper.add("/opaque/both");
  upper.add("/fresh/.wh.anything");
  merge_layers(lower.root(), upper.root(), whiteout_spec::oci);
  CHECK(upper.paths() ==
        paths{"/", "/fresh/", "/keep/", "/keep/new", "/keep/old", "/opaque/", "/opaque/both"});
}

TEST_CASE("overlayfs whiteouts act by device and attribute; the attribute does not stay") {
  small_tree lower, upper;
  lower.add("/gone");
  lower.add("/opaque/old");
  upper.add("/gone", S_IFCHR);
  upper.add_directory("/opaque").xattrs = {{"trusted.overlay.opaque", "y"}};
  upper.add("/opaque/new");
  merge_layers(lower.root(), upper.root(), whiteout_spec::overlayfs);
  CHECK(upper.paths() == paths{"/", "/opaque/", "/opaque/new"});
  CHECK(find_child(upper.root(), "opaque")->xattrs.empty());
}

TEST_CASE("with spec none markers are entries as any other") {
  small_tree lower, upper;
  lower.add("/gone");
  upper.add("/.wh.gone");
  upper.add("/device", S_IFCHR);
  merge_layers(lower.root(), upper.root(), whiteout_spec::none);
  CHECK(upper.paths() == paths{"/", "/.wh.gone", "/device", "/gone"});
}

TEST_CASE("nodes that come from below belong to the upper directories") {
  small_tree lower, upper;
  lower.add("/a/b/c");
  upper.add_directory("/a");
  merge_layers(lower.root(), upper.root(), whiteout_spec::oci);
  auto* b = upper.root().children[0]->children[0];
  CHECK(b->parent == upper.root().children[0]);
  CHECK(path_of(*b->children[0]) == "/a/b/c");
}
