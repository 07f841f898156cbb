// SPDX-License-Identifier: Apache-2.0
#include "builder/directory_source.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <string_view>

#include "builder/interruption.hpp"
#include "builder/path_open.hpp"
#include "builder/whiteout.hpp"
#include "metadata/rafs_v5/layout.hpp"

namespace nydus::builder {

namespace {

constexpr std::size_t longest_name = 255;
constexpr std::size_t longest_xattr_list = 65536;
constexpr std::size_t longest_xattr_value = 65536;
constexpr std::uint64_t directory_unit = 4096;

struct close_directory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};
using directory_stream = std::unique_ptr<DIR, close_directory>;

bool is_storable(std::string_view key) noexcept {
  return key.starts_with("user.") || key.starts_with("security.") || key.starts_with("trusted.") ||
         key.starts_with("system.posix_acl_access") || key.starts_with("system.posix_acl_default");
}

bool is_by_name(const tree_node* left, const tree_node* right) noexcept {
  return left->name < right->name;
}

class scanner {
public:
  scanner(const build_settings& settings, file_tree& tree, unique_fd source)
      : settings_(settings), tree_(tree), source_(std::move(source)), keys_(longest_xattr_list),
        value_(longest_xattr_value) {}

  result<scanned_directory> run();

private:
  result<void> scan_children(tree_node& directory);
  result<void> read_entry(tree_node& node, int directory);
  void keep_attributes(tree_node& node, const struct stat& status) const;
  result<void> read_target(tree_node& node, int directory) const;
  result<void> read_xattrs(tree_node& node, int directory, const std::string& name);
  std::string shown(const tree_node& node) const { return settings_.source + path_of(node); }

  const build_settings& settings_;
  file_tree& tree_;
  unique_fd source_;
  std::uint64_t source_device_ = 0;
  scanned_directory totals_;
  std::vector<char> keys_;
  std::vector<char> value_;
};

result<scanned_directory> scanner::run() {
  auto& root = tree_.make_node();
  root.name = "/";
  struct stat status {};
  if (::fstat(source_.get(), &status) != 0)
    return source_failure("stat " + settings_.source, errno);
  source_device_ = status.st_dev;
  keep_attributes(root, status);
  root.modified_seconds = 0; // so that a copy of the tree gives the same image
  root.modified_nanoseconds = 0;
  if (auto read = read_xattrs(root, source_.get(), "."); !read)
    return std::move(read).error();
  tree_.root = &root;

  std::vector<tree_node*> waiting{&root};
  while (!waiting.empty()) {
    auto& directory = *waiting.back();
    waiting.pop_back();
    if (auto scanned = scan_children(directory); !scanned)
      return std::move(scanned).error();
    std::copy_if(directory.children.begin(), directory.children.end(), std::back_inserter(waiting),
                 [](const tree_node* child) { return child->is_directory(); });
  }
  return totals_;
}

result<void> scanner::scan_children(tree_node& directory) {
  if (auto go_on = check_interruption(); !go_on)
    return go_on;
  auto opened = open_node(source_.get(), settings_.source, directory, O_RDONLY | O_DIRECTORY);
  if (!opened)
    return std::move(opened).error();
  const directory_stream stream{::fdopendir(opened->get())};
  if (!stream)
    return source_failure("read " + shown(directory), errno);
  const int descriptor = opened->release();
  for (;;) {
    errno = 0;
    const auto* entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0)
      return source_failure("read " + shown(directory), errno);
    if (entry == nullptr)
      break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..")
      continue;
    auto& node = tree_.make_node();
    node.name = name;
    node.parent = &directory;
    if (name.size() > longest_name)
      return failure{errc::not_supported, shown(node) + ": its name has " + std::to_string(name.size()) +
                                              " bytes, RAFS allows 255"};
    if (auto read = read_entry(node, descriptor); !read)
      return read;
    ++totals_.entry_count;
    if (settings_.parent_bootstrap.empty()) {
      const auto kind = whiteout_of(node, settings_.whiteouts).kind;
      if (kind == whiteout_kind::removes_name || kind == whiteout_kind::removes_children)
        continue;
    }
    if (node.is_regular())
      totals_.content_size += node.size;
    directory.children.push_back(&node);
  }
  directory.children.shrink_to_fit();
  std::sort(directory.children.begin(), directory.children.end(), is_by_name);
  std::uint64_t names_size = 0;
  for (const auto* child : directory.children)
    names_size += child->name.size() + 8;
  const auto units = (names_size + directory_unit - 1) / directory_unit;
  directory.size = std::max<std::uint64_t>(1, units) * directory_unit;
  directory.blocks = block_count(directory);
  return {};
}

result<void> scanner::read_entry(tree_node& node, int directory) {
  struct stat status {};
  if (::fstatat(directory, node.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return source_failure("stat " + shown(node), errno);
  keep_attributes(node, status);
  if (node.is_symlink())
    if (auto read = read_target(node, directory); !read)
      return read;
  if (auto read = read_xattrs(node, directory, node.name); !read)
    return read;
  node.blocks = block_count(node);
  return {};
}

void scanner::keep_attributes(tree_node& node, const struct stat& status) const {
  node.mode = status.st_mode;
  node.uid = settings_.is_repeatable ? 0 : status.st_uid;
  node.gid = settings_.is_repeatable ? 0 : status.st_gid;
  node.device = static_cast<std::uint32_t>(status.st_rdev);
  node.size = static_cast<std::uint64_t>(status.st_size);
  node.modified_seconds = static_cast<std::uint64_t>(status.st_mtim.tv_sec);
  node.modified_nanoseconds = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
  node.source_inode = status.st_ino;
  node.source_device = status.st_dev;
  // A file of another file system may be there twice by bind mounts.
  node.may_have_links = S_ISREG(status.st_mode) && (status.st_nlink > 1 || status.st_dev != source_device_);
}

result<void> scanner::read_target(tree_node& node, int directory) const {
  std::array<char, PATH_MAX> target;
  const auto size = ::readlinkat(directory, node.name.c_str(), target.data(), target.size());
  if (size < 0)
    return source_failure("read the link " + shown(node), errno);
  node.target.assign(target.data(), static_cast<std::size_t>(size));
  if (node.target.empty())
    return failure{errc::not_supported, shown(node) + ": its target is empty"};
  node.flags |= rafs_v5::inode_flag::symlink;
  return {};
}

result<void> scanner::read_xattrs(tree_node& node, int directory, const std::string& name) {
  // No call reads attributes by directory and name, but this path does: never too long, no symlink followed.
  const auto path = "/proc/self/fd/" + std::to_string(directory) + "/" + name;
  const auto size = ::llistxattr(path.c_str(), keys_.data(), keys_.size());
  if (size < 0 && errno == EOPNOTSUPP)
    return {};
  if (size < 0)
    return source_failure("list the attributes of " + shown(node), errno);
  const auto* const end = keys_.data() + size;
  for (const auto* key = keys_.data(); key < end; key += std::string_view{key}.size() + 1) {
    if (!is_storable(key))
      return failure{errc::not_supported,
                     shown(node) + ": attribute " + key +
                         " cannot be stored; user.*, security.*, trusted.* and system.posix_acl_* can"};
    const auto value_size = ::lgetxattr(path.c_str(), key, value_.data(), value_.size());
    if (value_size < 0)
      return source_failure("read attribute " + std::string{key} + " of " + shown(node), errno);
    node.xattrs.push_back({key, std::string(value_.data(), static_cast<std::size_t>(value_size))});
  }
  if (!node.xattrs.empty())
    node.flags |= rafs_v5::inode_flag::xattr;
  std::sort(node.xattrs.begin(), node.xattrs.end(),
            [](const auto& left, const auto& right) { return left.name < right.name; });
  return {};
}

} // namespace

result<scanned_directory> scan_directory(const build_settings& settings, file_tree& tree) {
  unique_fd source{::open(settings.source.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!source && errno == ENOTDIR)
    return failure{errc::not_a_directory, "the source " + settings.source + " is no directory"};
  if (!source)
    return source_failure("open the source " + settings.source, errno);
  return scanner{settings, tree, std::move(source)}.run();
}

} // namespace nydus::builder
