// SPDX-License-Identifier: Apache-2.0
// Makes small RAFS v5 images for tests straight from layout.hpp, so that a test knows every byte: no
// compression, one blob. Independent of builder/, whose output it helps to judge.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "metadata/digest.hpp"
#include "metadata/rafs_v5/layout.hpp"

namespace nydus {

/// One entry; directories on the way to it are made by themselves (mode 0755, owner 0).
struct tiny_entry {
  std::string path{};           // "/usr/bin/ls"; "/" sets the root's own fields
  std::uint32_t mode = 0100644; // st_mode: type and permissions
  std::string content{};        // of a file; of a symlink: its target
  std::string hard_link_to{};   // path of an entry that comes before in name order; all else is then its
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t mtime = 1'600'000'000; // seconds
  std::uint32_t device = 0;
  std::vector<std::pair<std::string, std::string>> xattrs{};
  /// Not empty: a file with holes of `sparse_size` bytes, that has these bytes at these offsets; `content` is
  /// unused.
  std::vector<std::pair<std::uint64_t, std::string>> extents{};
  std::uint64_t sparse_size = 0;
};

struct tiny_image {
  std::vector<tiny_entry> entries{};
  std::uint32_t chunk_size = 4096;
  digester digests = digester::blake3;
  std::vector<std::string> prefetch{}; // paths, in this order
  std::uint64_t more_flags = 0;        // added to superblock_flag of the writer's own
  bool has_explicit_owners = true;
  bool has_extended_table = true; // false: as images before v1.1
};

struct tiny_image_bytes {
  std::string bootstrap;
  std::string blob;                                   // empty if no file has content
  std::string blob_id;                                // SHA-256 of the blob
  std::map<std::string, std::uint64_t> records;       // path -> offset of its inode record in the bootstrap
  std::map<std::string, std::uint64_t> inode_numbers; // path -> i_ino
};

/// Where write_tiny_image put the image.
struct tiny_image_files {
  std::string bootstrap;      // a file
  std::string blob_directory; // holds the blob, named by its id
  std::string blob_id;
};

tiny_image_bytes make_tiny_image(const tiny_image& wanted);

/// Writes DIRECTORY/image.boot and DIRECTORY/blobs/ID; DIRECTORY is made if need be. Throws on failure, as
/// tests may.
tiny_image_files write_tiny_image(const tiny_image& wanted, const std::string& directory);

/// A directory below the system's place for such, removed with all in it when this dies.
class temporary_directory {
public:
  temporary_directory();
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  ~temporary_directory();
  const std::string& path() const noexcept { return path_; }
  /// Writes a file in it and tells its path.
  std::string write(const std::string& name, std::string_view bytes) const;

private:
  std::string path_;
};

} // namespace nydus
