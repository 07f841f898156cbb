// SPDX-License-Identifier: Apache-2.0
#include "builder/directory_source.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace nydus {

namespace {

constexpr std::size_t longest_xattr_name = 255;
constexpr std::size_t largest_xattr = 65536;

bool may_be_stored(const std::string& name) {
  return name.starts_with("user.") || name.starts_with("security.") || name.starts_with("trusted.") ||
         name == "system.posix_acl_access" || name == "system.posix_acl_default";
}

result<void> read_xattrs(file_node& node) {
  const auto& path = node.source_path;
  std::string names(65536, '\0');
  const auto size = ::llistxattr(path.c_str(), names.data(), names.size());
  if (size < 0)
    return errno == ENOTSUP ? result<void>{} : result<void>{system_failure("list xattrs of " + path, errno)};
  for (std::size_t start = 0; start < static_cast<std::size_t>(size);) {
    const std::string name{names.c_str() + start};
    start += name.size() + 1;
    if (name.size() > longest_xattr_name || !may_be_stored(name))
      return failure{errc::malformed, path + ": xattr '" + name + "' cannot be stored in an image"};
    std::string value(largest_xattr, '\0');
    const auto length = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (length < 0)
      return system_failure("read xattr " + name + " of " + path, errno);
    value.resize(static_cast<std::size_t>(length));
    node.xattrs.emplace_back(name, std::move(value));
  }
  std::sort(node.xattrs.begin(), node.xattrs.end());
  if (!node.xattrs.empty())
    node.record.flags = node.record.flags | rafs_v5::inode_flag::xattr;
  return {};
}

class scanner {
public:
  explicit scanner(const scan_options& options) : options_(options) {}

  result<std::unique_ptr<file_node>> scan(const std::string& path, std::string name) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0)
      return system_failure("stat " + path, errno);
    auto node = std::make_unique<file_node>();
    node->name = std::move(name);
    node->source_path = path;
    node->source_identity = {status.st_dev, status.st_ino};
    auto& record = node->record;
    record.mode = status.st_mode;
    record.uid = options_.is_repeatable ? 0 : status.st_uid;
    record.gid = options_.is_repeatable ? 0 : status.st_gid;
    record.device = static_cast<std::uint32_t>(status.st_rdev);
    record.size = static_cast<std::uint64_t>(status.st_size);
    record.mtime = static_cast<std::uint64_t>(status.st_mtim.tv_sec);
    record.mtime_nsec = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
    if (auto read = read_xattrs(*node); !read)
      return read.error();
    if (node->is_symlink()) {
      node->target.resize(static_cast<std::size_t>(status.st_size) + 1);
      const auto length = ::readlink(path.c_str(), node->target.data(), node->target.size());
      if (length <= 0 || length > 65535)
        return system_failure("read link " + path, length < 0 ? errno : EINVAL);
      node->target.resize(static_cast<std::size_t>(length));
      record.flags = record.flags | rafs_v5::inode_flag::symlink;
    }
    if (node->is_directory())
      if (auto listed = scan_children(*node); !listed)
        return listed.error();
    if (node->is_regular())
      record.child_count =
          static_cast<std::uint32_t>((record.size + options_.chunk_size - 1) / options_.chunk_size);
    record.name_size = static_cast<std::uint16_t>(node->name.size());
    record.symlink_size = static_cast<std::uint16_t>(node->target.size());
    record.blocks = (record.size + rafs_v5::align8(xattr_size(*node)) + 511) / 512;
    return node;
  }

private:
  bool is_whiteout(const file_node& node) const {
    switch (options_.whiteouts) {
    case whiteout_spec::oci:
      return node.name.starts_with(".wh.");
    case whiteout_spec::overlayfs:
      return (node.record.mode & 0170000) == 0020000 && node.record.device == 0;
    case whiteout_spec::none:
      return false;
    }
    return false;
  }

  result<void> scan_children(file_node& directory) {
    const auto& path = directory.source_path;
    DIR* open = ::opendir(path.c_str());
    if (open == nullptr)
      return system_failure("open directory " + path, errno);
    std::vector<std::string> names;
    while (const auto* entry = ::readdir(open)) {
      const std::string name{entry->d_name};
      if (name != "." && name != "..")
        names.push_back(name);
    }
    ::closedir(open);
    std::sort(names.begin(), names.end(),
              [](const std::string& a, const std::string& b) { return a.compare(b) < 0; });
    std::uint64_t size = 0;
    for (auto& name : names) {
      auto child = scan(path + "/" + name, name);
      if (!child)
        return child.error();
      if (is_whiteout(**child))
        continue; // a layer without a parent has nothing to hide
      size += (*child)->name.size() + 8;
      directory.children.push_back(std::move(*child));
    }
    directory.record.size = size == 0 ? 4096 : (size + 4095) / 4096 * 4096;
    return {};
  }

  const scan_options& options_;
};

} // namespace

result<std::unique_ptr<file_node>> scan_directory(const std::string& path, const scan_options& options) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return system_failure("source directory " + path, errno);
  if (!S_ISDIR(status.st_mode))
    return failure{errc::malformed, "source " + path + " is no directory"};
  auto root = scanner{options}.scan(path + (path.ends_with('/') ? "." : "/."), "/");
  if (root) {
    (*root)->record.mtime = 0; // so that equal trees give equal images
    (*root)->record.mtime_nsec = 0;
  }
  return root;
}

} // namespace nydus
