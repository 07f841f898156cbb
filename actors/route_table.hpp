// SPDX-License-Identifier: Apache-2.0
// Which mount a node id belongs to, and the pseudo-directories above the mounts. mount_supervisor has one,
// and so has each router, which takes the same steps: a change costs the same however many mounts there are.
#pragma once

#include <caf/actor.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/fuse/abi.hpp"
#include "protocol/result.hpp"

namespace nydus {

/// A name in a pseudo-directory: another one, or the root of a mount.
struct pseudo_entry {
  fuse_attr attributes{}; // ino is the node id
  bool is_mount = false;
};

struct pseudo_directory {
  fuse_attr attributes{};
  std::uint64_t parent = FUSE_ROOT_ID; // node id
  std::string name;                    // in the parent
  std::map<std::string, pseudo_entry> entries;
};

/// A mount as the routers know it.
struct route {
  caf::actor mount;
  std::uint32_t number = 0;
  fuse_attr root{}; // ino is the root's node id
};

/// A kernel cache entry that a change makes wrong.
struct stale_entry {
  std::uint64_t parent = 0;
  std::string name;
};
struct table_change {
  std::vector<stale_entry> gone;
  std::vector<std::uint64_t> changed; // directories whose listing differs
};

/// A change of a table. Tables that took the same steps in the same order are the same.
struct route_step {
  enum class kind { add, replace, remove };
  kind what = kind::add;
  std::string path;     // from normalize_mountpoint()
  route to;             // but for remove
  std::uint64_t at = 0; // nanoseconds since 1970: the times of directories that are made or change
};

class route_table {
public:
  route_table();

  /// add(), replace() or remove().
  result<table_change> take(const route_step& step);
  /// Adds a mount, with the pseudo-directories above it. `path`: from normalize_mountpoint(). already_exists
  /// if something is there: a mount, or a directory above mounts; or if a mount lies above it.
  result<table_change> add(const std::string& path, const route& added);
  /// Puts another mount in the place of one that is there.
  table_change replace(const std::string& path, const route& replacement);
  /// Removes a mount and the pseudo-directories that are empty then.
  table_change remove(const std::string& path);

  const route* find_mount(const std::string& path) const;
  const route* find_mount(std::uint32_t number) const;
  const pseudo_directory* find_directory(std::uint64_t node_id) const;
  /// The mount at "/"; null if there is none.
  const route* root_mount() const { return root_ == 0 ? nullptr : find_mount(root_); }

private:
  pseudo_directory& directory_at(const std::vector<std::string>& parts, table_change& change);
  /// Enters that the directory's listing differs: in the change, and in its times.
  void mark_changed(pseudo_directory& directory, table_change& change);

  void enter(const std::string& path, const route& added);
  void erase(const std::string& path);

  std::unordered_map<std::uint32_t, route> mounts_;                 // by number: what each request asks for
  std::map<std::string, std::uint32_t> numbers_;                    // by path
  std::uint32_t root_ = 0;                                          // number of the mount at "/", 0: none
  std::unordered_map<std::uint64_t, pseudo_directory> directories_; // by node id
  std::uint64_t last_directory_ = FUSE_ROOT_ID;
  std::uint64_t at_ = 0; // of the step in hand
};

/// "/a/b" of "a//b/." and the like. malformed for "..", NUL, parts over 255 bytes.
result<std::string> normalize_mountpoint(const std::string& text);
/// The parts between the slashes.
std::vector<std::string> split_path(const std::string& normalized);

} // namespace nydus
