// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <sstream>

#include "builder/build_log.hpp"
#include "builder/inode_numbering.hpp"
#include "builder/prefetch_patterns.hpp"
#include "test/fakes/small_tree.hpp"

using namespace nydus::builder;

namespace {

struct planned {
  std::vector<std::string> files;
  std::size_t first;
  std::vector<std::string> table;
};

planned plan(prefetch_policy policy, const std::string& lines, small_tree& tree) {
  REQUIRE(start_log(log_level::error, "")); // warnings are expected
  std::istringstream text{lines};
  prefetch_patterns patterns;
  patterns.read(text);
  const auto numbered = number_inodes(tree.root());
  const auto made = plan_dump(policy, patterns, numbered.by_index);
  planned shown{{}, made.prefetched_count, {}};
  for (const auto* file : made.files)
    shown.files.push_back(path_of(*file));
  for (const auto number : made.inodes)
    shown.table.push_back(path_of(*numbered.by_index[number - 1]));
  return shown;
}

using paths = std::vector<std::string>;

struct sample : small_tree {
  sample() {
    add("/a/one", S_IFREG, 1);
    add("/a/two", S_IFREG, 1);
    add("/b/deep/three", S_IFREG, 1);
    add("/b/empty", S_IFREG, 0);
    add("/c", S_IFREG, 1);
    add("/link", S_IFLNK, 1);
  }
};

} // namespace

TEST_SUITE_BEGIN("builder/prefetch_patterns");

TEST_CASE("files of patterns come first in the order of the patterns, the others in that of their numbers") {
  sample tree;
  const auto made = plan(prefetch_policy::fs, "/c\n/b\n", tree);
  CHECK(made.files == paths{"/c", "/b/deep/three", "/a/one", "/a/two"});
  CHECK(made.first == 2);
  CHECK(made.table == paths{"/c", "/b"});
}

TEST_CASE("only policy fs writes a table, and policy none ignores patterns") {
  sample tree;
  auto made = plan(prefetch_policy::blob, "/c\n", tree);
  CHECK(made.files.front() == "/c");
  CHECK(made.first == 1);
  CHECK(made.table.empty());
  made = plan(prefetch_policy::none, "/c\n", tree);
  CHECK(made.files == paths{"/c", "/a/one", "/a/two", "/b/deep/three"});
  CHECK(made.first == 0);
}

TEST_CASE("lines that are no absolute path, are covered or name nothing have no effect") {
  sample tree;
  const auto made = plan(prefetch_policy::fs,
                         "relative\n\n  /a//one/ \n/a/one\n/a/./one/below\n/nowhere\n/b/empty\n", tree);
  CHECK(made.files.front() == "/a/one");
  CHECK(made.first == 1);
  CHECK(made.table == paths{"/a/one"}); // an empty file has nothing to fetch
}

TEST_CASE("an ancestor of an earlier pattern is one more pattern") {
  sample tree;
  const auto made = plan(prefetch_policy::fs, "/a/two\n/a\n", tree);
  CHECK(made.files == paths{"/a/two", "/a/one", "/c", "/b/deep/three"});
  CHECK(made.table == paths{"/a/two", "/a"});
}

TEST_CASE("the root stands for everything") {
  sample tree;
  const auto made = plan(prefetch_policy::fs, "/", tree);
  CHECK(made.first == made.files.size());
  CHECK(made.table == paths{"/"});
}

TEST_CASE("symlinks can be named, files of lower layers are not stored again") {
  sample tree;
  tree.add("/a/one", S_IFREG, 1).is_inherited = true;
  const auto made = plan(prefetch_policy::fs, "/link\n/a\n", tree);
  CHECK(made.table == paths{"/link", "/a"});
  CHECK(made.files == paths{"/a/two", "/c", "/b/deep/three"});
}
