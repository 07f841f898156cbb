// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>

#include "builder/directory_source.hpp"
#include "metadata/rafs_v5/layout.hpp"
#include "test/fakes/scratch_folder.hpp"
#include "test/fakes/small_tree.hpp"

using namespace nydus;
using namespace nydus::builder;
namespace fs = std::filesystem;

namespace {

struct scanned {
  file_tree tree;
  scanned_directory totals;
  const tree_node& at(const std::string& name) const {
    const auto* found = find_child(*tree.root, name);
    REQUIRE(found != nullptr);
    return *found;
  }
};

void scan(const std::string& source, scanned& into, whiteout_spec whiteouts = whiteout_spec::oci,
          bool has_parent = false) {
  build_settings settings;
  settings.source = source;
  settings.whiteouts = whiteouts;
  settings.parent_bootstrap = has_parent ? "parent" : "";
  const auto outcome = scan_directory(settings, into.tree);
  REQUIRE_MESSAGE(outcome, (outcome ? "" : outcome.error().detail));
  into.totals = *outcome;
}

} // namespace

TEST_SUITE_BEGIN("builder/directory_source");

TEST_CASE("attributes are those that lstat tells, the root's time is 0") {
  const scratch_folder folder;
  const no_fd_leak guard;
  write_file(folder / "file", "12345");
  REQUIRE(::chmod((folder / "file").c_str(), 04711) == 0);
  const timespec times[2]{{1, 2}, {1234567890, 123456789}};
  REQUIRE(::utimensat(AT_FDCWD, (folder / "file").c_str(), times, 0) == 0);
  REQUIRE(::symlink("no/where", (folder / "link").c_str()) == 0);
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0640) == 0);
  scanned all;
  scan(folder.path(), all);
  const auto& file = all.at("file");
  CHECK(file.mode == (S_IFREG | 04711));
  CHECK(file.size == 5);
  CHECK(file.blocks == 1);
  CHECK(file.uid == ::getuid());
  CHECK(file.modified_seconds == 1234567890);
  CHECK(file.modified_nanoseconds == 123456789);
  CHECK(file.flags == 0);
  CHECK(all.at("link").target == "no/where");
  CHECK(all.at("link").size == 8);
  CHECK(all.at("link").flags == rafs_v5::inode_flag::symlink);
  CHECK(S_ISFIFO(all.at("pipe").mode));
  CHECK(all.tree.root->modified_seconds == 0);
  CHECK(all.tree.root->name == "/");
  CHECK(all.totals.entry_count == 3);
  CHECK(all.totals.content_size == 5);
}

TEST_CASE("the size of a directory is counted from its names (spec section 19.3)") {
  const scratch_folder folder;
  fs::create_directory(folder / "empty");
  fs::create_directory(folder / "full");
  for (int i = 0; i < 20; ++i)
    write_file(folder / ("full/" + std::string(200, 'n') + std::to_string(100 + i)), "");
  scanned all;
  scan(folder.path(), all);
  CHECK(all.at("empty").size == 4096);
  CHECK(all.at("full").size == 8192); // 20 * (203 + 8) = 4220
  CHECK(all.at("full").blocks == 16);
}

TEST_CASE("children are in the order of their bytes") {
  const scratch_folder folder;
  for (const char* name : {"b", "a", "B", "ab", "\xff", "\xc3\xa4", "a.", "a0"})
    write_file(folder / name, "");
  scanned all;
  scan(folder.path(), all);
  CHECK(small_tree::paths_below(*all.tree.root) ==
        std::vector<std::string>{"/", "/B", "/a", "/a.", "/a0", "/ab", "/b", "/\xc3\xa4", "/\xff"});
}

TEST_CASE("attributes are kept with any value; those that RAFS cannot hold are refused by name") {
  const scratch_folder folder;
  write_file(folder / "file", "");
  const std::string value{"\0\n\xff", 3};
  if (::setxattr((folder / "file").c_str(), "user.raw", value.data(), value.size(), 0) != 0) {
    MESSAGE("skipped: the file system of temporary files has no user attributes");
    return;
  }
  REQUIRE(::setxattr((folder / "file").c_str(), "user.empty", "", 0, 0) == 0);
  scanned all;
  scan(folder.path(), all);
  const auto& file = all.at("file");
  REQUIRE(file.xattrs.size() == 2);
  CHECK(file.xattrs[0].name == "user.empty");
  CHECK(file.xattrs[0].value.empty());
  CHECK(file.xattrs[1].value == value);
  CHECK(file.flags == rafs_v5::inode_flag::xattr);
  CHECK(file.blocks == 1); // 0 bytes of content, some of attributes
}

TEST_CASE("whiteouts of a first layer are left out, those over a parent are kept for the merge") {
  const scratch_folder folder;
  write_file(folder / ".wh.gone", "");
  fs::create_directories(folder / ".wh.directory/with/content");
  fs::create_directory(folder / "d");
  write_file(folder / "d/.wh..wh..opq", "");
  write_file(folder / "d/kept", "");
  using paths = std::vector<std::string>;
  scanned first, upper, plain;
  scan(folder.path(), first);
  CHECK(small_tree::paths_below(*first.tree.root) == paths{"/", "/d/", "/d/kept"});
  scan(folder.path(), upper, whiteout_spec::oci, true);
  CHECK(upper.tree.root->children.size() == 3);
  scan(folder.path(), plain, whiteout_spec::none);
  CHECK(plain.tree.root->children.size() == 3);
}

TEST_CASE("a path longer than PATH_MAX is scanned") {
  const scratch_folder folder;
  const std::string name(200, 'd');
  const auto start = fs::current_path();
  fs::current_path(folder.path());
  for (int depth = 0; depth < 30; ++depth) { // 6,000 bytes
    REQUIRE(::mkdir(name.c_str(), 0755) == 0);
    REQUIRE(::chdir(name.c_str()) == 0);
  }
  write_file("deepest", "content");
  fs::current_path(start);
  scanned all;
  scan(folder.path(), all);
  const auto paths = small_tree::paths_below(*all.tree.root);
  CHECK(paths.size() == 32);
  CHECK(paths.back().ends_with("/deepest"));
}

TEST_CASE("what cannot be scanned is refused by name") {
  const scratch_folder folder;
  write_file(folder / "file", "");
  build_settings settings;
  file_tree tree;
  settings.source = folder / "file";
  auto outcome = scan_directory(settings, tree);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == errc::not_a_directory);
  settings.source = folder / "nothing";
  outcome = scan_directory(settings, tree);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == errc::not_found);
  CHECK(outcome.error().detail.find(folder / "nothing") != std::string::npos);
}
