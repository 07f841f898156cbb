// SPDX-License-Identifier: Apache-2.0
// THE FACE of metadata/: what is in an image, whatever its format (RAFS v5 and v6).
// An image is a mapped bootstrap that is checked lazily, record by record, each time one is used.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "metadata/blob.hpp"
#include "metadata/chunk.hpp"
#include "metadata/inode.hpp"
#include "protocol/result.hpp"

namespace nydus {

/// What the superblock says. Plain numbers, for the API and for checks.
struct image_description {
  std::uint32_t format_version = 0; // 5 or 6
  std::uint32_t chunk_size = 0;     // bytes
  std::uint64_t inode_count = 0;    // unique inodes, advisory
  std::uint64_t highest_inode = 0;  // numbers run from the root's to this
  inode_number root{1};
  std::uint64_t flags = 0; // raw flag word
  compressor compression = compressor::none;
  digester digests = digester::blake3;
  bool has_xattrs = false;
  bool has_explicit_owners = false;                                     // else owners are the daemon's
  std::uint64_t metadata_size = 0;                                      // bytes of the bootstrap
  std::vector<std::pair<std::string, std::uint64_t>> superblock_fields; // raw, for GET /daemon/backend
};

/// One opened image.
///
/// Threads: all members are const and may be called from any thread at once; none blocks for longer than a
/// page
///   fault of the mapped bootstrap, none allocates more than its answer.
/// Failures: not_found (no such inode, name), not_a_directory, is_a_directory, no_attribute, corrupt (a
/// record
///   fails its checks: detail names field and value). A failure is about one record; others stay readable.
class image {
public:
  /// Called per entry; answering false ends the listing.
  using entry_visitor = std::function<bool(const directory_entry&)>;
  /// Called per attribute, with borrowed name and value.
  using xattr_visitor = std::function<void(std::string_view name, std::string_view value)>;

  virtual ~image() = default;

  virtual const image_description& description() const noexcept = 0;
  virtual std::span<const blob> blobs() const noexcept = 0;

  virtual result<inode_attributes> attributes(inode_number inode) const = 0;
  /// The child of `directory` called `name`.
  virtual result<inode_attributes> lookup(inode_number directory, std::string_view name) const = 0;
  /// The directory that holds `directory`; the root is its own.
  virtual result<inode_number> parent(inode_number directory) const = 0;
  /// Visits the entries from cursor `offset` (0: the first), without "." and "..".
  virtual result<void> list(inode_number directory, std::uint64_t offset,
                            const entry_visitor& visit) const = 0;
  /// The target of a symbolic link, borrowed from the image.
  virtual result<std::string_view> symlink_target(inode_number inode) const = 0;
  virtual result<std::string_view> xattr(inode_number inode, std::string_view name) const = 0;
  virtual result<void> list_xattrs(inode_number inode, const xattr_visitor& visit) const = 0;
  /// Appends to `slices`, in file order, what holds bytes [offset, offset + size) of a regular file, cut at
  /// its end.
  virtual result<void> slices(inode_number file, std::uint64_t offset, std::uint64_t size,
                              std::vector<chunk_slice>& slices) const = 0;
  /// The inode whose record lies behind that of `inode`: its data is likely to lie behind that one's too.
  /// Only a hint; nothing behind the last one.
  virtual std::optional<inode_number> following(inode_number inode) const = 0;
  /// Files and directories that the builder wants fetched first, in its order. May be empty.
  virtual std::vector<inode_number> prefetch_list() const = 0;
  /// Computes the inode's digest from its chunks, children or target. corrupt if it differs; in a format
  /// without such digests, if one of its chunks is not there.
  virtual result<void> verify(inode_number inode) const = 0;
};

/// Opens the bootstrap at `path`; the format is told from its bytes. Cost does not depend on the number of
/// inodes. Failures: not_found, unavailable (cannot be read), corrupt (no image, or its superblock or tables
/// fail a check).
result<std::shared_ptr<const image>> open_image(const std::string& path);

} // namespace nydus
