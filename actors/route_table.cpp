// SPDX-License-Identifier: Apache-2.0
#include "actors/route_table.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <ctime>

namespace nydus {

namespace {

constexpr std::uint64_t nanoseconds_per_second = 1'000'000'000;

/// Kernels that cannot be told of a change compare times to the nanosecond.
void set_times(fuse_attr& attributes, std::uint64_t nanoseconds) noexcept {
  attributes.mtime = attributes.atime = attributes.ctime = nanoseconds / nanoseconds_per_second;
  attributes.mtimensec = attributes.atimensec = attributes.ctimensec =
      static_cast<std::uint32_t>(nanoseconds % nanoseconds_per_second);
}

fuse_attr directory_attributes(std::uint64_t node_id, std::uint64_t made_at) {
  fuse_attr attributes{};
  attributes.ino = node_id;
  attributes.mode = S_IFDIR | 0777;
  attributes.nlink = 2;
  attributes.blksize = 4096;
  set_times(attributes, made_at);
  return attributes;
}

} // namespace

result<std::string> normalize_mountpoint(const std::string& text) {
  if (text.find('\0') != std::string::npos)
    return failure{errc::malformed, "mountpoint holds a NUL byte"};
  std::string normalized;
  for (const auto& part : split_path(text)) {
    if (part == ".")
      continue;
    if (part == "..")
      return failure{errc::malformed, "mountpoint '" + text + "' holds '..'"};
    if (part.size() > 255)
      return failure{errc::malformed,
                     "mountpoint has a part of " + std::to_string(part.size()) + " bytes; 255 are allowed"};
    normalized += "/" + part;
  }
  return normalized.empty() ? "/" : normalized;
}

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t start = 0; start < path.size();) {
    const auto end = std::min(path.find('/', start), path.size());
    if (end > start)
      parts.push_back(path.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

route_table::route_table() {
  // One time for all tables of the process, whichever is asked.
  static const auto began = static_cast<std::uint64_t>(std::time(nullptr)) * nanoseconds_per_second;
  directories_[FUSE_ROOT_ID].attributes = directory_attributes(FUSE_ROOT_ID, began);
}

const route* route_table::find_mount(const std::string& path) const {
  const auto found = numbers_.find(path);
  return found == numbers_.end() ? nullptr : find_mount(found->second);
}

const route* route_table::find_mount(std::uint32_t number) const {
  const auto found = mounts_.find(number);
  return found == mounts_.end() ? nullptr : &found->second;
}

void route_table::enter(const std::string& path, const route& added) {
  mounts_[added.number] = added;
  numbers_[path] = added.number;
  if (path == "/")
    root_ = added.number;
}

void route_table::erase(const std::string& path) {
  const auto number = numbers_.at(path);
  mounts_.erase(number);
  numbers_.erase(path);
  if (number == root_)
    root_ = 0;
}

const pseudo_directory* route_table::find_directory(std::uint64_t node_id) const {
  const auto found = directories_.find(node_id);
  return found == directories_.end() ? nullptr : &found->second;
}

void route_table::mark_changed(pseudo_directory& directory, table_change& change) {
  change.changed.push_back(directory.attributes.ino);
  set_times(directory.attributes, at_);
  if (directory.attributes.ino != FUSE_ROOT_ID)
    directories_.at(directory.parent).entries.at(directory.name).attributes = directory.attributes;
}

pseudo_directory& route_table::directory_at(const std::vector<std::string>& parts, table_change& change) {
  std::uint64_t here = FUSE_ROOT_ID;
  for (const auto& part : parts) {
    const auto found = directories_[here].entries.find(part);
    if (found != directories_[here].entries.end()) {
      here = found->second.attributes.ino;
      continue;
    }
    const auto added = ++last_directory_;
    directories_[added].attributes = directory_attributes(added, at_);
    directories_[added].parent = here;
    directories_[added].name = part;
    directories_[here].entries[part] = {directories_[added].attributes, false};
    mark_changed(directories_[here], change);
    here = added;
  }
  return directories_[here];
}

result<table_change> route_table::take(const route_step& step) {
  at_ = step.at;
  switch (step.what) {
  case route_step::kind::add:
    return add(step.path, step.to);
  case route_step::kind::replace:
    return replace(step.path, step.to);
  case route_step::kind::remove:
    return remove(step.path);
  }
  return failure{errc::malformed, "a step of no kind"};
}

result<table_change> route_table::add(const std::string& path, const route& added) {
  if (numbers_.count(path) != 0)
    return failure{errc::already_exists, "object or filesystem already exists"};
  table_change change;
  auto parts = split_path(path);
  if (!parts.empty()) {
    if (root_mount() != nullptr)
      return failure{errc::already_exists, "'" + path + "' lies inside the mount '/'"};
    std::string above;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      above += "/" + parts[i];
      if (numbers_.count(above) != 0)
        return failure{errc::already_exists, "'" + path + "' lies inside the mount '" + above + "'"};
    }
    const auto name = parts.back();
    parts.pop_back();
    auto& directory = directory_at(parts, change);
    if (directory.entries.count(name) != 0)
      return failure{errc::already_exists, "'" + path + "' is a directory that holds mounts"};
    directory.entries[name] = {added.root, true};
    mark_changed(directory, change);
  } else {
    if (!directories_[FUSE_ROOT_ID].entries.empty())
      return failure{errc::already_exists, "'/' is a directory that holds mounts"};
    mark_changed(directories_.at(FUSE_ROOT_ID), change);
  }
  enter(path, added);
  return change;
}

table_change route_table::replace(const std::string& path, const route& replacement) {
  table_change change;
  erase(path);
  enter(path, replacement);
  auto parts = split_path(path);
  if (parts.empty()) {
    mark_changed(directories_.at(FUSE_ROOT_ID), change);
    return change;
  }
  const auto name = parts.back();
  parts.pop_back();
  auto& directory = directory_at(parts, change);
  directory.entries[name] = {replacement.root, true};
  change.gone.push_back({directory.attributes.ino, name});
  mark_changed(directory, change);
  return change;
}

table_change route_table::remove(const std::string& path) {
  table_change change;
  erase(path);
  auto parts = split_path(path);
  if (parts.empty())
    mark_changed(directories_.at(FUSE_ROOT_ID), change);
  while (!parts.empty()) { // the mount, then directories that are empty now
    const auto name = parts.back();
    parts.pop_back();
    auto& directory = directory_at(parts, change); // all are there
    const auto entry = directory.entries.find(name);
    if (!entry->second.is_mount)
      directories_.erase(entry->second.attributes.ino);
    directory.entries.erase(entry);
    change.gone.push_back({directory.attributes.ino, name});
    mark_changed(directory, change);
    if (!directory.entries.empty())
      break;
  }
  return change;
}

} // namespace nydus
