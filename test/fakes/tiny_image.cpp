// SPDX-License-Identifier: Apache-2.0
#include "test/fakes/tiny_image.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <stdexcept>

namespace nydus {

namespace {

using namespace rafs_v5;

constexpr std::uint32_t type_mask = 0170000;
constexpr std::uint32_t directory_mode = 0040755;

std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

template <class Record>
void append(std::string& to, const Record& record) {
  to.append(reinterpret_cast<const char*>(&record), sizeof record);
}

void pad(std::string& to) {
  to.resize(align8(to.size()));
}

struct node {
  tiny_entry entry; // of a later link: its first link's
  std::string path;
  std::string name;
  std::map<std::string, std::unique_ptr<node>> children; // in the order of their bytes
  std::uint64_t index = 0;
  std::uint64_t number = 0;
  std::uint64_t parent = 0;
  std::uint32_t link_count = 1;
  std::uint32_t first_child = 0;
  const node* first_link = nullptr;
  digest_bytes digest{};
  std::vector<chunk_record> chunks;

  bool is(std::uint32_t type) const { return (entry.mode & type_mask) == type; }
};

class writer {
public:
  explicit writer(const tiny_image& wanted) : wanted_(wanted) {
    root_.entry.mode = directory_mode;
    root_.path = root_.name = std::string(1, '/');
    by_path_["/"] = &root_;
    for (const auto& entry : wanted.entries)
      place(entry);
  }

  tiny_image_bytes write() {
    root_.index = root_.number = 1;
    in_order_.push_back(&root_);
    number(root_);
    for (auto* one : in_order_)
      store(*one);
    for (auto one = in_order_.rbegin(); one != in_order_.rend(); ++one)
      if ((*one)->is(0040000))
        digest_directory(**one);
    made_.blob_id = made_.blob.empty() ? "" : to_hex(digest_of(digester::sha256, bytes_of(made_.blob)));
    write_bootstrap();
    return std::move(made_);
  }

private:
  void place(const tiny_entry& entry) {
    auto* at = &root_;
    std::string path;
    for (std::size_t start = 1; start < entry.path.size();) {
      const auto end = std::min(entry.path.find('/', start), entry.path.size());
      const auto name = entry.path.substr(start, end - start);
      path += "/" + name;
      auto& child = at->children[name];
      if (!child) {
        child = std::make_unique<node>();
        child->entry.mode = directory_mode;
        child->path = path;
        child->name = name;
      }
      at = child.get();
      start = end + 1;
    }
    at->entry = entry;
  }

  // Children get consecutive indexes, then each directory's own children follow (spec section 19.4).
  void number(node& directory) {
    directory.first_child = static_cast<std::uint32_t>(in_order_.size() + 1);
    directory.link_count = 2;
    for (auto& [name, child] : directory.children) {
      in_order_.push_back(child.get());
      child->index = child->number = in_order_.size();
      child->parent = directory.number;
      by_path_[child->path] = child.get();
      if (!child->entry.hard_link_to.empty()) {
        auto& first = *by_path_.at(child->entry.hard_link_to);
        child->first_link = &first;
        child->number = first.number;
        ++first.link_count;
      }
      directory.link_count += child->is(0040000) ? 1 : 0;
    }
    for (auto& [name, child] : directory.children)
      if (child->is(0040000))
        number(*child);
  }

  void store(node& one) {
    if (one.first_link != nullptr) {
      one.entry = one.first_link->entry;
      one.link_count = one.first_link->link_count;
      one.digest = one.first_link->digest;
      one.chunks = one.first_link->chunks;
      return;
    }
    digest_stream ids{wanted_.digests};
    if (one.is(0100000)) {
      const auto& entry = one.entry;
      for (const auto& [offset, bytes] : entry.extents)
        add_chunk(one, bytes, offset);
      for (std::size_t at = 0; entry.extents.empty() && at < entry.content.size(); at += wanted_.chunk_size)
        add_chunk(one, std::string_view{entry.content}.substr(at, wanted_.chunk_size), at);
      for (const auto& chunk : one.chunks)
        ids.update(std::as_bytes(std::span{chunk.digest}));
    } else if (one.is(0120000)) {
      ids.update(bytes_of(one.entry.content));
    }
    one.digest = ids.finish();
  }

  void add_chunk(node& file, std::string_view bytes, std::uint64_t file_offset) {
    chunk_record record{};
    record.digest = digest_of(wanted_.digests, bytes_of(bytes));
    const auto [known, is_new] = chunks_.try_emplace(record.digest, record);
    if (is_new) {
      known->second.compressed_size = known->second.uncompressed_size =
          static_cast<std::uint32_t>(bytes.size());
      known->second.compressed_offset = known->second.uncompressed_offset = made_.blob.size();
      known->second.index = static_cast<std::uint32_t>(chunks_.size() - 1);
      made_.blob += bytes;
    }
    file.chunks.push_back(known->second);
    file.chunks.back().file_offset = file_offset;
  }

  void digest_directory(node& directory) {
    digest_stream digests{wanted_.digests};
    for (const auto& [name, child] : directory.children)
      digests.update(std::as_bytes(std::span{child->digest}));
    directory.digest = digests.finish();
  }

  void write_bootstrap() {
    const auto count = in_order_.size();
    superblock head{};
    head.magic = magic;
    head.fs_version = version;
    head.sb_size = superblock_size;
    head.block_size = wanted_.chunk_size;
    head.inode_table_offset = superblock_size;
    head.inode_table_entries = static_cast<std::uint32_t>(count);
    head.inodes_count = count;
    auto at = superblock_size + align8(count * sizeof(le32));
    head.prefetch_table_offset = at;
    head.prefetch_table_entries = static_cast<std::uint32_t>(wanted_.prefetch.size());
    at += align8(wanted_.prefetch.size() * sizeof(le32));
    std::string blobs;
    if (!made_.blob.empty()) {
      append(blobs, blob_table_entry{});
      blobs += made_.blob_id;
      pad(blobs);
    }
    head.blob_table_offset = at;
    head.blob_table_size = static_cast<std::uint32_t>(blobs.size());
    at += blobs.size();
    if (wanted_.has_extended_table) {
      head.extended_blob_table_offset = at;
      head.extended_blob_table_entries = blobs.empty() ? 0 : 1;
      if (!blobs.empty()) {
        extended_blob extension{};
        extension.chunk_count = static_cast<std::uint32_t>(chunks_.size());
        extension.features = blob_feature::cap_tar_toc;
        extension.uncompressed_size = extension.compressed_size = made_.blob.size();
        append(blobs, extension);
        at += sizeof extension;
      }
    }
    std::string slots;
    std::string records;
    bool has_xattrs = false;
    for (const auto* one : in_order_) {
      append(slots, le32{static_cast<std::uint32_t>((at + records.size()) / alignment)});
      made_.records[one->path] = at + records.size();
      made_.inode_numbers[one->path] = one->number;
      has_xattrs = has_xattrs || !one->entry.xattrs.empty();
      append_record(records, *one);
    }
    pad(slots);
    head.flags =
        superblock_flag::compression_none | wanted_.more_flags |
        (wanted_.digests == digester::blake3 ? superblock_flag::hash_blake3 : superblock_flag::hash_sha256) |
        (wanted_.has_explicit_owners ? superblock_flag::explicit_uid_gid : 0) |
        (has_xattrs ? superblock_flag::has_xattr : 0);
    auto& to = made_.bootstrap;
    append(to, head);
    to += slots;
    for (const auto& path : wanted_.prefetch)
      append(to, le32{static_cast<std::uint32_t>(by_path_.at(path)->number)});
    pad(to);
    to += blobs;
    to += records;
  }

  void append_record(std::string& to, const node& one) const {
    const auto& entry = one.entry;
    inode record{};
    record.digest = one.digest;
    record.parent = one.parent;
    record.number = one.number;
    record.uid = entry.uid;
    record.gid = entry.gid;
    record.mode = entry.mode;
    record.mtime = entry.mtime;
    record.device = entry.device;
    record.link_count = one.link_count;
    record.name_size = static_cast<std::uint16_t>(one.name.size());
    record.flags = entry.xattrs.empty() ? 0 : inode_flag::xattr;
    record.size = entry.extents.empty() ? entry.content.size() : entry.sparse_size;
    if (one.is(0040000)) {
      record.size = 4096;
      record.child_index = one.first_child;
      record.child_count = static_cast<std::uint32_t>(one.children.size());
    } else if (one.is(0100000)) {
      record.child_count = static_cast<std::uint32_t>(one.chunks.size());
      record.flags = record.flags | (entry.extents.empty() ? 0 : inode_flag::has_hole);
    } else if (one.is(0120000)) {
      record.flags = record.flags | inode_flag::symlink;
      record.symlink_size = static_cast<std::uint16_t>(entry.content.size());
    }
    std::string xattrs;
    for (const auto& [name, value] : entry.xattrs) {
      append(xattrs, le32{static_cast<std::uint32_t>(name.size() + 1 + value.size())});
      xattrs += name;
      xattrs += '\0';
      xattrs += value;
    }
    record.blocks = (record.size + align8(xattrs.size()) + 511) / 512;
    append(to, record);
    to += one.name;
    pad(to);
    if (one.is(0120000))
      to += entry.content;
    pad(to);
    if (!xattrs.empty()) {
      append(to, le64{xattrs.size()});
      to += xattrs;
      pad(to);
    }
    for (const auto& chunk : one.chunks)
      append(to, chunk);
  }

  tiny_image wanted_;
  node root_;
  std::vector<node*> in_order_;
  std::map<std::string, node*> by_path_;
  std::map<digest_bytes, chunk_record> chunks_;
  tiny_image_bytes made_;
};

void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream file{path, std::ios::binary};
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush())
    throw std::runtime_error("cannot write " + path);
}

} // namespace

tiny_image_bytes make_tiny_image(const tiny_image& wanted) {
  return writer{wanted}.write();
}

tiny_image_files write_tiny_image(const tiny_image& wanted, const std::string& directory) {
  const auto made = make_tiny_image(wanted);
  const tiny_image_files files{directory + "/image.boot", directory + "/blobs", made.blob_id};
  std::filesystem::create_directories(files.blob_directory);
  write_file(files.bootstrap, made.bootstrap);
  if (!made.blob.empty())
    write_file(files.blob_directory + "/" + made.blob_id, made.blob);
  return files;
}

temporary_directory::temporary_directory()
    : path_((std::filesystem::temp_directory_path() / "nydus-test-XXXXXX").string()) {
  if (::mkdtemp(path_.data()) == nullptr)
    throw std::runtime_error("cannot make " + path_);
}

temporary_directory::~temporary_directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string temporary_directory::write(const std::string& name, std::string_view bytes) const {
  auto path = path_ + "/" + name;
  write_file(path, bytes);
  return path;
}

} // namespace nydus
