// SPDX-License-Identifier: Apache-2.0
#include "builder/parent_image.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "builder/image_check.hpp"
#include "builder/parent_image_v6.hpp"
#include "builder/parent_settings.hpp"
#include "metadata/inlined_bootstrap.hpp"
#include "metadata/mapped_file.hpp"
#include "metadata/rafs_v5/inode_view.hpp"
#include "metadata/rafs_v5/superblock_check.hpp"
#include "metadata/rafs_v5/tables.hpp"
#include "metadata/rafs_v6/superblock_check.hpp"

namespace nydus::builder {

namespace {

using rafs_v5::inode_view;

class loader {
public:
  loader(const std::string& path, const build_settings& settings, const rafs_v5::checked_superblock& checked,
         std::span<const std::byte> image, file_tree& tree, chunk_table& chunks)
      : path_(path), settings_(settings), checked_(checked), image_(image), tree_(tree), chunks_(chunks) {}

  result<std::vector<image_blob>> run(const std::string& image_name);

private:
  void keep_blobs(const std::vector<blob>& blobs);
  result<tree_node*> load_node(std::uint64_t index, tree_node* parent);
  result<void> load_children(tree_node& directory);
  result<void> load_chunks(const inode_view& view, tree_node& file);
  failure corrupt(std::uint64_t index, const std::string& what) const {
    return {errc::corrupt, path_ + ": RAFS v5 inode " + std::to_string(index) + ": " + what};
  }

  const std::string& path_;
  const build_settings& settings_;
  const rafs_v5::checked_superblock& checked_;
  std::span<const std::byte> image_;
  file_tree& tree_;
  chunk_table& chunks_;
  std::vector<image_blob> blobs_;
  std::uint64_t loaded_ = 0;
};

void loader::keep_blobs(const std::vector<blob>& blobs) {
  for (const auto& one : blobs) {
    image_blob kept{
        one.id, one.readahead_size, one.chunk_count, one.features, one.uncompressed_size, one.compressed_size,
        {}};
    if ((kept.features & rafs_v5::blob_feature::inlined_fs_meta) != 0) {
      // In another image it is a blob as any; its size there counts the bootstrap behind the chunks.
      kept.features &= ~rafs_v5::blob_feature::inlined_fs_meta;
      struct stat status {};
      const auto file = settings_.blob_directory + "/" + one.id;
      if (!settings_.blob_directory.empty() && ::stat(file.c_str(), &status) == 0)
        kept.compressed_size = static_cast<std::uint64_t>(status.st_size);
    }
    blobs_.push_back(std::move(kept));
  }
}

result<std::vector<image_blob>> loader::run(const std::string& image_name) {
  const auto& fields = checked_.fields();
  const bool is_repeatable = (fields.flags & rafs_v5::superblock_flag::explicit_uid_gid) == 0;
  if (auto same =
          check_parent(path_, settings_,
                       {5, fields.block_size, checked_.compression(), checked_.digests(), is_repeatable});
      !same)
    return std::move(same).error();
  const auto blobs = rafs_v5::read_blobs(checked_, image_, image_name);
  if (!blobs)
    return failure{blobs.error().code, path_ + ": " + blobs.error().detail};
  keep_blobs(*blobs);
  auto root = load_node(1, nullptr);
  if (!root)
    return std::move(root).error();
  if (!(*root)->is_directory())
    return corrupt(1, "the root is no directory");
  tree_.root = *root;
  std::vector<tree_node*> waiting{*root};
  while (!waiting.empty()) {
    auto& directory = *waiting.back();
    waiting.pop_back();
    if (auto loaded = load_children(directory); !loaded)
      return std::move(loaded).error();
    for (auto child = directory.children.rbegin(); child != directory.children.rend(); ++child)
      if ((*child)->is_directory())
        waiting.push_back(*child);
  }
  return std::move(blobs_);
}

result<void> loader::load_children(tree_node& directory) {
  const auto view = inode_view::at(checked_, image_, directory.index);
  if (!view)
    return failure{view.error().code, path_ + ": " + view.error().detail};
  for (std::uint32_t k = 0; k < view->fields().child_count; ++k) {
    const auto child = load_node(std::uint64_t{view->fields().child_index} + k, &directory);
    if (!child)
      return child.error();
    if (!directory.children.empty() && directory.children.back()->name >= (*child)->name)
      return corrupt((*child)->index, "the names of its directory are not in order");
    directory.children.push_back(*child);
  }
  return {};
}

result<tree_node*> loader::load_node(std::uint64_t index, tree_node* parent) {
  const auto listed = inode_view::at(checked_, image_, index);
  if (!listed)
    return failure{listed.error().code, path_ + ": " + listed.error().detail};
  // A mount shows of each link what the record of its number says, the first link's.
  const auto view = inode_view::at(checked_, image_, listed->fields().number);
  if (!view)
    return failure{view.error().code, path_ + ": " + view.error().detail};
  const auto& fields = view->fields();
  if (fields.number != listed->fields().number || (view->index() != index && view->is_directory()))
    return corrupt(index,
                   "i_ino is " + std::to_string(listed->fields().number) + ", which is no file's first link");
  // Directories whose children overlap would make the tree larger than the image.
  if (++loaded_ > checked_.fields().inode_table_entries)
    return corrupt(index, "it is a child of several directories");
  if (parent != nullptr && view->is_directory() && fields.parent != parent->number)
    return corrupt(index, "i_parent is " + std::to_string(fields.parent) + ", it is listed in " +
                              std::to_string(parent->number));
  auto& node = tree_.make_node();
  node.name = listed->name();
  node.target = view->target();
  node.parent = parent;
  node.mode = fields.mode;
  node.uid = fields.uid;
  node.gid = fields.gid;
  node.device = fields.device;
  node.size = fields.size;
  node.blocks = fields.blocks;
  node.flags = fields.flags & ~rafs_v5::inode_flag::xattr;
  node.modified_seconds = fields.mtime;
  node.modified_nanoseconds = fields.mtime_nsec;
  node.project = fields.project;
  node.source_inode = fields.number;
  node.is_inherited = true;
  node.may_have_links = fields.link_count > 1 || fields.number != index;
  node.index = static_cast<std::uint32_t>(index);
  node.number = static_cast<std::uint32_t>(fields.number);
  node.digest = fields.digest;
  auto read = view->each_xattr([&](std::string_view key, std::string_view value) {
    node.xattrs.push_back({std::string{key}, std::string{value}});
    return true;
  });
  if (!read)
    return failure{read.error().code, path_ + ": " + read.error().detail};
  if (!node.xattrs.empty())
    node.flags |= rafs_v5::inode_flag::xattr;
  if (node.is_regular())
    if (auto loaded = load_chunks(*view, node); !loaded)
      return std::move(loaded).error();
  return &node;
}

result<void> loader::load_chunks(const inode_view& view, tree_node& file) {
  const auto chunk_size = std::uint64_t{settings_.chunk_size};
  const auto count = file.size / chunk_size + (file.size % chunk_size != 0 ? 1 : 0);
  if ((file.flags & rafs_v5::inode_flag::has_hole) != 0 || view.fields().child_count != count)
    return corrupt(file.index, std::to_string(view.fields().child_count) + " chunks for " +
                                   std::to_string(file.size) + " bytes");
  for (std::uint32_t k = 0; k < view.fields().child_count; ++k) {
    auto record = view.chunk_at(k);
    const auto start = k * chunk_size;
    if (record.file_offset != start || record.uncompressed_size != std::min(chunk_size, file.size - start))
      return corrupt(file.index, "chunk " + std::to_string(k) + " holds " +
                                     std::to_string(record.uncompressed_size) + " bytes from " +
                                     std::to_string(record.file_offset));
    if (record.blob_index >= blobs_.size())
      return corrupt(file.index, "chunk " + std::to_string(k) + " is in blob " +
                                     std::to_string(record.blob_index) + " of " +
                                     std::to_string(blobs_.size()));
    record.file_offset = 0;
    auto position = chunks_.find(record.digest, record.uncompressed_size);
    if (position && std::memcmp(&chunks_[*position], &record, sizeof record) != 0)
      position.reset(); // stored twice in the parent: each file keeps its own
    file.chunks.push_back(position ? *position : chunks_.add(record));
  }
  return {};
}

} // namespace

result<std::vector<image_blob>> load_image(const std::string& path, const build_settings& settings,
                                           file_tree& tree, chunk_table& chunks) {
  // Once for all: what is wrong in a layer below would be wrong in this image.
  if (const auto valid = check_image(path, {}); !valid)
    return valid.error();
  const auto file = mapped_file::open(path);
  if (!file)
    return file.error();
  const auto image = bootstrap_in((*file)->bytes());
  if (rafs_v6::has_magic(image))
    return load_image_v6(path, image, settings, tree, chunks);
  const auto checked = rafs_v5::check(image);
  if (!checked)
    return failure{checked.error().code, path + ": " + checked.error().detail};
  return loader{path, settings, *checked, image, tree, chunks}.run(path.substr(path.rfind('/') + 1));
}

} // namespace nydus::builder
