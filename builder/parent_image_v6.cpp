// SPDX-License-Identifier: Apache-2.0
#include "builder/parent_image_v6.hpp"

#include <algorithm>
#include <cstring>
#include <map>

#include "builder/parent_settings.hpp"
#include "metadata/rafs_v6/chunk_table.hpp"
#include "metadata/rafs_v6/directory_view.hpp"
#include "metadata/rafs_v6/inode_view.hpp"
#include "metadata/rafs_v6/superblock_check.hpp"
#include "metadata/rafs_v6/tables.hpp"

namespace nydus::builder {

namespace {

using rafs_v6::directory_view;
using rafs_v6::inode_view;

class loader {
public:
  loader(const std::string& path, const rafs_v6::checked_superblock& checked,
         std::span<const std::byte> image, rafs_v6::chunk_table records, file_tree& tree, chunk_table& chunks)
      : path_(path), checked_(checked), image_(image), records_(std::move(records)), tree_(tree),
        chunks_(chunks) {}

  result<void> run();

private:
  result<inode_view> view(std::uint64_t nid) const {
    auto found = inode_view::at(checked_, image_, nid);
    if (!found)
      return failure{found.error().code, path_ + ": " + found.error().detail};
    return found;
  }
  result<tree_node*> load_node(std::uint64_t nid, std::string_view name, tree_node* parent);
  result<void> load_children(tree_node& directory);
  result<void> load_chunks(const inode_view& view, tree_node& file);

  const std::string& path_;
  const rafs_v6::checked_superblock& checked_;
  std::span<const std::byte> image_;
  rafs_v6::chunk_table records_;
  file_tree& tree_;
  chunk_table& chunks_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t>
      positions_; // by blob and index, in chunks_
  std::uint64_t loaded_ = 0;
};

result<void> loader::run() {
  auto root = load_node(checked_.fields().root_nid, "/", nullptr);
  if (!root)
    return std::move(root).error();
  tree_.root = *root;
  std::vector<tree_node*> waiting{*root};
  while (!waiting.empty()) {
    auto& directory = *waiting.back();
    waiting.pop_back();
    if (auto loaded = load_children(directory); !loaded)
      return loaded;
    for (auto child = directory.children.rbegin(); child != directory.children.rend(); ++child)
      if ((*child)->is_directory())
        waiting.push_back(*child);
  }
  return {};
}

result<void> loader::load_children(tree_node& directory) {
  const auto opened = view(directory.source_inode);
  if (!opened)
    return opened.error();
  result<void> outcome;
  auto listed = directory_view{*opened}.each(0, [&](const directory_view::entry& entry) {
    if (entry.name == "." || entry.name == "..")
      return true;
    const auto child = load_node(entry.nid, entry.name, &directory);
    if (!child)
      outcome = child.error();
    else
      directory.children.push_back(*child);
    return static_cast<bool>(child);
  });
  return listed ? outcome : listed;
}

result<tree_node*> loader::load_node(std::uint64_t nid, std::string_view name, tree_node* parent) {
  const auto opened = view(nid);
  if (!opened)
    return opened.error();
  // As many entries as could be in the image: it was checked, but may have changed since.
  if (++loaded_ > image_.size() / sizeof(rafs_v6::dirent))
    return failure{errc::corrupt, path_ + " changed while it was read"};
  const auto& fields = opened->fields();
  auto& node = tree_.make_node();
  node.name = name;
  node.parent = parent;
  node.mode = std::uint32_t{fields.mode};
  node.uid = fields.uid;
  node.gid = fields.gid;
  node.device = opened->is_device() ? std::uint32_t{fields.location} : 0;
  node.size = fields.size;
  node.modified_seconds = fields.mtime;
  node.modified_nanoseconds = fields.mtime_nsec;
  node.source_inode = nid;
  node.is_inherited = true;
  node.may_have_links = opened->is_regular() && fields.link_count > 1;
  if (opened->is_symlink())
    node.target = opened->target();
  auto read = opened->each_xattr([&](std::string_view key, std::string_view value) {
    node.xattrs.push_back({std::string{key}, std::string{value}});
    return true;
  });
  if (!read)
    return failure{read.error().code, path_ + ": " + read.error().detail};
  if (node.is_regular())
    if (auto loaded = load_chunks(*opened, node); !loaded)
      return std::move(loaded).error();
  return &node;
}

result<void> loader::load_chunks(const inode_view& view, tree_node& file) {
  for (std::uint64_t k = 0; k < view.chunk_count(); ++k) {
    const auto named = view.chunk_at(k);
    const auto blob = named.device - 1u;
    const std::uint32_t index = named.index_low | std::uint32_t{named.index_high} << 16;
    const auto [known, is_new] = positions_.try_emplace({blob, index}, 0);
    if (is_new) {
      const auto record = records_.find(blob, index);
      if (!record) // it was there when the image was checked
        return failure{errc::corrupt, path_ + " changed while it was read"};
      known->second = chunks_.add(*record);
    }
    file.chunks.push_back(known->second);
  }
  return {};
}

/// The entries of the blob table; a blob of another image is one as any, also if it holds its own bootstrap.
std::vector<image_blob> kept_blobs(const std::vector<blob>& blobs, std::span<const std::byte> table) {
  std::vector<image_blob> kept(blobs.size());
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    auto& one = kept[i];
    std::memcpy(&one.entry, table.data() + i * sizeof one.entry, sizeof one.entry);
    one.id = blobs[i].id;
    one.chunk_count = blobs[i].chunk_count;
    one.features = blobs[i].features & ~rafs_v6::blob_feature::inlined_fs_meta;
    one.uncompressed_size = blobs[i].uncompressed_size;
    one.compressed_size = blobs[i].file_size;
  }
  return kept;
}

} // namespace

result<std::vector<image_blob>> load_image_v6(const std::string& path, std::span<const std::byte> image,
                                              const build_settings& settings, file_tree& tree,
                                              chunk_table& chunks) {
  const auto checked = rafs_v6::check(image);
  if (!checked)
    return failure{checked.error().code, path + ": " + checked.error().detail};
  const auto& extended = checked->extended();
  const bool is_repeatable = (extended.flags & rafs_v6::superblock_flag::explicit_uid_gid) == 0;
  if (auto same =
          check_parent(path, settings,
                       {6, extended.chunk_size, checked->compression(), checked->digests(), is_repeatable});
      !same)
    return std::move(same).error();
  const auto blobs = rafs_v6::read_blobs(*checked, image, path.substr(path.rfind('/') + 1));
  if (!blobs)
    return failure{blobs.error().code, path + ": " + blobs.error().detail};
  auto records = rafs_v6::chunk_table::read(
      image.subspan(extended.chunk_table_offset, extended.chunk_table_size), blobs->size());
  if (!records)
    return failure{records.error().code, path + ": " + records.error().detail};
  if (auto loaded = loader{path, *checked, image, std::move(*records), tree, chunks}.run(); !loaded)
    return std::move(loaded).error();
  return kept_blobs(*blobs, image.subspan(extended.blob_table_offset));
}

} // namespace nydus::builder
