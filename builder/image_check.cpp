// SPDX-License-Identifier: Apache-2.0
#include "builder/image_check.hpp"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <vector>

#include "builder/build_log.hpp"
#include "builder/interruption.hpp"
#include "builder/readable_text.hpp"
#include "metadata/rafs_v5/layout.hpp"

namespace nydus::builder {

namespace {

using line_visitor = std::function<void(const std::string&)>;

struct named_bit {
  std::uint64_t bit;
  const char* name;
};

constexpr std::array<named_bit, 10> superblock_bits{{
    {rafs_v5::superblock_flag::compression_none, "COMPRESSION_NONE"},
    {rafs_v5::superblock_flag::compression_lz4, "COMPRESSION_LZ4"},
    {rafs_v5::superblock_flag::hash_blake3, "HASH_BLAKE3"},
    {rafs_v5::superblock_flag::hash_sha256, "HASH_SHA256"},
    {rafs_v5::superblock_flag::explicit_uid_gid, "EXPLICIT_UID_GID"},
    {rafs_v5::superblock_flag::has_xattr, "HAS_XATTR"},
    {rafs_v5::superblock_flag::compression_gzip, "COMPRESSION_GZIP"},
    {rafs_v5::superblock_flag::compression_zstd, "COMPRESSION_ZSTD"},
    {0x100, "INLINED_CHUNK_DIGEST"}, // these two in RAFS v6 alone
    {0x01000000, "ENCRYPTION_NONE"},
}};

// In the order in which the public builder names them; those of RAFS v6 (rafs-v5.md, section 6) included.
constexpr std::array<named_bit, 12> blob_bits{{
    {rafs_v5::blob_feature::aligned, "aligned"},
    {0x80, "batch"},
    {rafs_v5::blob_feature::cap_tar_toc, "cap_toc"},
    {0x20, "chunk-digest"},
    {0x4, "chunk-v2"},
    {rafs_v5::blob_feature::inlined_fs_meta, "fs-meta"},
    {0x10, "separate"},
    {rafs_v5::blob_feature::has_tar_header, "tar-header"},
    {rafs_v5::blob_feature::has_toc, "toc"},
    {0x8, "zran"},
    {0x100, "encrypted"},
    {0x200, "is-chunkdict-generated"},
}};

template <std::size_t Count>
std::string names_of(const std::array<named_bit, Count>& bits, std::uint64_t word, const char* between) {
  std::string text;
  for (const auto& [bit, name] : bits)
    if ((word & bit) != 0)
      text.append(text.empty() ? "" : between).append(name);
  return text;
}

class checker {
public:
  checker(const image& opened, const line_visitor& show) : image_(opened), show_(show) {}

  result<void> run();

private:
  struct directory {
    inode_number number;
    std::string path;
  };
  result<void> check_entry(const inode_attributes& entry, const std::string& path);
  result<void> check_directory(const directory& one);
  failure at(const std::string& path, const failure& why) const {
    return {why.code, "\"" + path + "\": " + why.detail};
  }

  const image& image_;
  const line_visitor& show_;
  std::vector<directory> waiting_;
  std::uint64_t seen_ = 0;
};

result<void> checker::run() {
  const auto root = image_.attributes(image_.description().root);
  if (!root)
    return root.error();
  if (auto checked = check_entry(*root, "/"); !checked)
    return checked;
  waiting_.push_back({root->number, "/"});
  while (!waiting_.empty()) {
    const auto next = std::move(waiting_.back());
    waiting_.pop_back();
    if (auto go_on = check_interruption(); !go_on)
      return go_on;
    if (auto checked = check_directory(next); !checked)
      return checked;
  }
  for (const auto number : image_.prefetch_list())
    if (const auto found = image_.attributes(number); !found)
      return failure{found.error().code, "prefetch table: " + found.error().detail};
  return {};
}

result<void> checker::check_directory(const directory& one) {
  result<void> outcome;
  std::string last;
  auto listed = image_.list(one.number, 0, [&](const directory_entry& entry) {
    const auto path = (one.path == "/" ? "/" : one.path + "/") + std::string{entry.name};
    if (!last.empty() && last >= entry.name)
      outcome = failure{errc::corrupt, "\"" + path + "\" does not come after \"" + last + "\" by name"};
    else
      outcome = check_entry(entry.attributes, path);
    if (outcome && S_ISDIR(entry.attributes.mode))
      waiting_.push_back({entry.attributes.number, path});
    last = entry.name;
    return static_cast<bool>(outcome);
  });
  if (!listed)
    return at(one.path, listed.error());
  return outcome;
}

result<void> checker::check_entry(const inode_attributes& entry, const std::string& path) {
  // Directories whose children overlap would make the tree larger than the image.
  if (++seen_ > image_.description().highest_inode)
    return failure{errc::corrupt, "\"" + path + "\" is a child of several directories"};
  if (auto verified = image_.verify(entry.number); !verified)
    return at(path, verified.error());
  std::uint64_t xattr_count = 0;
  auto attributes =
      image_.list_xattrs(entry.number, [&](std::string_view, std::string_view) { ++xattr_count; });
  if (!attributes)
    return at(path, attributes.error());
  std::string target;
  if (S_ISLNK(entry.mode)) {
    const auto read = image_.symlink_target(entry.number);
    if (!read)
      return at(path, read.error());
    target = *read;
  }
  std::vector<chunk_slice> slices;
  if (S_ISREG(entry.mode))
    if (auto cut = image_.slices(entry.number, 0, entry.size, slices); !cut)
      return at(path, cut.error());
  if (!show_)
    return {};
  const auto shown = [](const std::string& text) { return "\"" + readable(text) + "\""; };
  std::array<char, 16> mode{};
  std::snprintf(mode.data(), mode.size(), "%07o", entry.mode);
  show_("inode: " + shown(path) + " number " + std::to_string(static_cast<std::uint64_t>(entry.number)) +
        " mode " + mode.data() + " uid " + std::to_string(entry.uid) + " gid " + std::to_string(entry.gid) +
        " links " + std::to_string(entry.link_count) + " size " + std::to_string(entry.size) + " blocks " +
        std::to_string(entry.blocks) + " xattrs " + std::to_string(xattr_count) + " mtime " +
        std::to_string(entry.modified_seconds) + "." + std::to_string(entry.modified_nanoseconds) +
        (S_ISLNK(entry.mode) ? " target " + shown(target) : std::string{}));
  for (const auto& slice : slices)
    show_("\t chunk: " +
          (slice.is_hole ? "hole"
                         : to_hex(slice.source.digest) + " blob " + std::to_string(slice.source.blob_index) +
                               " index " + std::to_string(slice.source.index) + " compressed " +
                               std::to_string(slice.source.compressed_offset) + "+" +
                               std::to_string(slice.source.compressed_size) + " uncompressed " +
                               std::to_string(slice.source.uncompressed_offset) + "+" +
                               std::to_string(slice.source.uncompressed_size)));
  return {};
}

} // namespace

result<std::shared_ptr<const image>> check_image(const std::string& bootstrap, const line_visitor& show) {
  auto opened = open_image(bootstrap);
  if (!opened)
    return opened;
  if (auto checked = checker{**opened, show}.run(); !checked)
    return failure{checked.error().code, bootstrap + ": " + checked.error().detail};
  return opened;
}

result<void> check_blobs(const image& checked, const std::string& directory) {
  for (const auto& one : checked.blobs()) {
    const auto path = directory + "/" + one.id;
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
      log_warning(system_failure("blob " + path, errno).detail);
    else if (static_cast<std::uint64_t>(status.st_size) < one.file_size)
      return failure{errc::corrupt, "blob " + path + " has " + std::to_string(status.st_size) +
                                        " bytes, the image needs " + std::to_string(one.file_size)};
  }
  return {};
}

std::string describe_blobs(const image& checked) {
  std::string text = "RAFS filesystem metadata is valid, referenced data blobs: \n";
  std::size_t index = 0;
  for (const auto& one : checked.blobs())
    text += "\t " + std::to_string(index++) + ": " + one.id + ", compressed size " +
            std::to_string(one.file_size) + ", uncompressed size " + std::to_string(one.uncompressed_size) +
            ", chunk size: " + std::to_string(one.chunk_size) +
            ", chunk count: " + std::to_string(one.chunk_count) +
            ", features: " + names_of(blob_bits, one.features, " ") + "\n";
  return text;
}

std::string describe_flags(const image& checked) {
  return names_of(superblock_bits, checked.description().flags, " | ");
}

} // namespace nydus::builder
