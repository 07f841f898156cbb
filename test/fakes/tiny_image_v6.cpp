// SPDX-License-Identifier: Apache-2.0
#include "test/fakes/tiny_image_v6.hpp"

#include <algorithm>
#include <memory>
#include <span>

#include "metadata/chunk_record.hpp"

namespace nydus {

namespace {

using namespace rafs_v6;

constexpr std::uint32_t type_mask = 0170000;

constexpr std::uint64_t round_up(std::uint64_t size, std::uint64_t unit) {
  return (size + unit - 1) / unit * unit;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

template <class Record>
void append(std::string& to, const Record& record) {
  to.append(reinterpret_cast<const char*>(&record), sizeof record);
}

struct node {
  tiny_entry entry{.mode = 0040755};
  std::string path;
  node* parent = nullptr;
  node* first_link = nullptr;                            // of a later link of a file
  std::map<std::string, std::unique_ptr<node>> children; // in the order of their bytes
  std::uint32_t link_count = 1;
  std::string xattrs;      // with their header
  std::string data;        // of a directory or symlink, whole blocks and the rest
  std::string chunks;      // indexes
  std::uint64_t at = 0;    // bytes into the metadata
  std::uint64_t block = 0; // where whole blocks lie, from the start of the metadata

  bool is(std::uint32_t type) const { return (entry.mode & type_mask) == type; }
  std::uint64_t nid() const { return (first_link != nullptr ? first_link->at : at) / slot_size; }
  std::uint64_t head_size() const { return sizeof(extended_inode) + xattrs.size(); }
  bool is_inline() const {
    return data.size() % block_size != 0 && head_size() + data.size() % block_size <= block_size;
  }
  std::uint64_t body_size() const {
    if (is(0100000))
      return round_up(head_size(), 8) - head_size() + chunks.size();
    return is_inline() ? data.size() % block_size : 0;
  }
};

class writer {
public:
  explicit writer(const tiny_image& wanted) : wanted_(wanted) {
    root_.path = "/";
    root_.parent = &root_;
    by_path_["/"] = &root_;
    for (const auto& entry : wanted.entries)
      place(entry);
  }

  tiny_image_bytes write() {
    collect(root_);
    for (auto* one : in_order_)
      encode(*one);
    const auto metadata_size = lay_out();
    for (auto* one : in_order_)
      if (one->is(0040000))
        one->data = directory_data(*one); // now with nids
    made_.blob_id = made_.blob.empty() ? "" : to_hex(digest_of(digester::sha256, bytes_of(made_.blob)));
    write_bootstrap(metadata_size);
    return std::move(made_);
  }

private:
  void place(const tiny_entry& entry) {
    auto* at = &root_;
    for (std::size_t start = 1; start < entry.path.size();) {
      const auto end = std::min(entry.path.find('/', start), entry.path.size());
      auto& child = at->children[entry.path.substr(start, end - start)];
      if (!child) {
        child = std::make_unique<node>();
        child->path = entry.path.substr(0, end);
        child->parent = at;
        by_path_[child->path] = child.get();
      }
      at = child.get();
      start = end + 1;
    }
    at->entry = entry;
    if (!entry.hard_link_to.empty()) {
      at->first_link = by_path_.at(entry.hard_link_to);
      ++at->first_link->link_count;
    }
  }

  // A directory, its other children, then what is in its directories.
  void collect(node& directory) {
    in_order_.push_back(&directory);
    directory.link_count = 2;
    for (auto& [name, child] : directory.children) {
      if (child->is(0040000))
        ++directory.link_count;
      else if (child->first_link == nullptr)
        in_order_.push_back(child.get());
    }
    for (auto& [name, child] : directory.children)
      if (child->is(0040000))
        collect(*child);
  }

  void encode(node& one) {
    static constexpr std::pair<std::string_view, std::uint8_t> prefixes[]{{"user.", 1},
                                                                          {"system.posix_acl_access", 2},
                                                                          {"system.posix_acl_default", 3},
                                                                          {"trusted.", 4},
                                                                          {"security.", 6}};
    if (!one.entry.xattrs.empty())
      append(one.xattrs, xattr_header{});
    for (const auto& [name, value] : one.entry.xattrs) {
      for (const auto& [prefix, index] : prefixes) {
        if (!name.starts_with(prefix))
          continue;
        append(one.xattrs, xattr_entry{static_cast<std::uint8_t>(name.size() - prefix.size()), index,
                                       static_cast<std::uint16_t>(value.size())});
        one.xattrs += name.substr(prefix.size()) + value;
        one.xattrs.resize(round_up(one.xattrs.size(), 4));
      }
    }
    if (one.is(0120000))
      one.data = one.entry.content;
    if (one.is(0040000))
      one.data = directory_data(one); // its size is right, its nids are not yet
    for (std::size_t at = 0; one.is(0100000) && at < one.entry.content.size(); at += wanted_.chunk_size)
      add_chunk(one, std::string_view{one.entry.content}.substr(at, wanted_.chunk_size), at);
  }

  void add_chunk(node& file, std::string_view bytes, std::uint64_t file_offset) {
    chunk_record record{};
    record.digest = digest_of(wanted_.digests, bytes_of(bytes));
    const auto [known, is_new] = chunks_.try_emplace(record.digest, record);
    if (is_new) {
      auto& stored = known->second;
      stored.compressed_size = stored.uncompressed_size = static_cast<std::uint32_t>(bytes.size());
      stored.compressed_offset = made_.blob.size();
      stored.uncompressed_offset = uncompressed_size_;
      stored.index = static_cast<std::uint32_t>(chunks_.size() - 1);
      stored.file_offset = file_offset;
      uncompressed_size_ += round_up(bytes.size(), block_size);
      made_.blob += bytes;
    }
    chunk_index index{};
    index.index_low = static_cast<std::uint16_t>(known->second.index & 0xffff);
    index.index_high = static_cast<std::uint8_t>(known->second.index >> 16);
    index.device = 1;
    index.block = static_cast<std::uint32_t>(known->second.uncompressed_offset / block_size);
    append(file.chunks, index);
  }

  std::string directory_data(const node& directory) const {
    std::map<std::string, std::uint64_t> entries{{".", directory.nid()}, {"..", directory.parent->nid()}};
    for (const auto& [name, child] : directory.children)
      entries[name] = child->nid();
    std::string data;
    std::vector<std::pair<std::string, std::uint64_t>> block;
    std::size_t used = 0;
    const auto flush = [&] {
      auto offset = block.size() * sizeof(dirent);
      std::string names;
      for (const auto& [name, nid] : block) {
        append(data, dirent{nid, static_cast<std::uint16_t>(offset), 0, 0});
        offset += name.size();
        names += name;
      }
      data += names;
      block.clear();
      used = 0;
    };
    for (const auto& entry : entries) {
      const auto size = sizeof(dirent) + entry.first.size();
      if (used + size > block_size) {
        flush();
        data.resize(round_up(data.size(), block_size));
      }
      block.push_back(entry);
      used += size;
    }
    flush();
    return data;
  }

  /// Gives each inode its place, then the blocks behind all inodes theirs. Returns the bytes of both.
  std::uint64_t lay_out() {
    std::uint64_t at = slot_size; // nid 0 names nothing
    for (auto* one : in_order_) {
      const auto size = one->head_size() + one->body_size();
      if (one->is_inline() && at / block_size != (at + size - 1) / block_size)
        at = round_up(at, block_size); // what is inline lies in one block
      one->at = at;
      at = round_up(at + size, slot_size);
    }
    at = round_up(at, block_size);
    for (auto* one : in_order_) {
      one->block = at;
      at += round_up(one->data.size() - (one->is_inline() ? one->data.size() % block_size : 0), block_size);
    }
    return at;
  }

  std::string inode_of(const node& one, std::uint64_t metadata_offset) const {
    const auto& entry = one.entry;
    extended_inode record{};
    const auto layout = one.is(0100000)   ? data_layout::chunk_based
                        : one.is_inline() ? data_layout::flat_inline
                                          : data_layout::flat_plain;
    record.format = static_cast<std::uint16_t>(static_cast<unsigned>(layout) << 1 | extended_format);
    record.xattr_count = static_cast<std::uint16_t>(
        one.xattrs.empty() ? 0 : (one.xattrs.size() - sizeof(xattr_header)) / 4 + 1);
    record.mode = static_cast<std::uint16_t>(entry.mode);
    record.size = one.is(0100000) ? entry.content.size() : one.data.size();
    record.location = one.is(0100000) ? chunk_indexes_format
                      : one.is(0040000) || one.is(0120000)
                          ? static_cast<std::uint32_t>((metadata_offset + one.block) / block_size)
                          : entry.device;
    record.uid = entry.uid;
    record.gid = entry.gid;
    record.mtime = entry.mtime;
    record.link_count = one.link_count;
    std::string bytes;
    append(bytes, record);
    bytes += one.xattrs;
    if (one.is(0100000))
      bytes.resize(round_up(bytes.size(), 8));
    bytes += one.is(0100000) ? one.chunks : one.data.substr(one.data.size() - one.body_size());
    return bytes;
  }

  void write_bootstrap(std::uint64_t metadata_size) {
    const std::uint16_t blob_count = made_.blob.empty() ? 0 : 1;
    const auto prefetch_offset = block_size + blob_count * sizeof(blob_entry);
    const auto prefetch_size = wanted_.prefetch.size() * sizeof(le32);
    const auto metadata_offset = round_up(prefetch_offset + prefetch_size, block_size);
    auto& to = made_.bootstrap;
    to.resize(metadata_offset + metadata_size);
    const auto put = [&to](std::size_t at, std::string_view bytes) { to.replace(at, bytes.size(), bytes); };
    const auto put_record = [&](std::size_t at, const auto& record) {
      put(at, {reinterpret_cast<const char*>(&record), sizeof record});
    };
    superblock head{};
    head.magic = magic;
    head.feature_compat = rafs_feature;
    head.block_bits = 12;
    head.root_nid = static_cast<std::uint16_t>(root_.nid());
    head.inode_count = in_order_.size();
    head.metadata_block = static_cast<std::uint32_t>(metadata_offset / block_size);
    head.feature_incompat = incompat_features;
    head.extra_devices = blob_count;
    head.device_slot = first_device_slot;
    put_record(superblock_offset, head);
    extended_superblock more{};
    more.flags =
        superblock_flag::compression_none | wanted_.more_flags |
        (wanted_.digests == digester::blake3 ? superblock_flag::hash_blake3 : superblock_flag::hash_sha256) |
        (wanted_.has_explicit_owners ? superblock_flag::explicit_uid_gid : 0) |
        (std::any_of(in_order_.begin(), in_order_.end(), [](const node* one) { return !one->xattrs.empty(); })
             ? superblock_flag::has_xattr
             : 0);
    more.blob_table_offset = block_size;
    more.blob_table_size = static_cast<std::uint32_t>(blob_count * sizeof(blob_entry));
    more.chunk_size = wanted_.chunk_size;
    more.chunk_table_offset = to.size();
    more.chunk_table_size = chunks_.size() * sizeof(chunk_record);
    more.prefetch_table_offset = wanted_.prefetch.empty() ? 0 : prefetch_offset;
    more.prefetch_table_size = static_cast<std::uint32_t>(prefetch_size);
    put_record(extended_superblock_offset, more);
    if (blob_count != 0) {
      device slot{};
      std::copy(made_.blob_id.begin(), made_.blob_id.end(), slot.blob_id.begin());
      slot.blocks = static_cast<std::uint32_t>(uncompressed_size_ / block_size);
      put_record(device_table_offset, slot);
      blob_entry entry{};
      std::copy(made_.blob_id.begin(), made_.blob_id.end(), entry.blob_id.begin());
      entry.chunk_size = wanted_.chunk_size;
      entry.chunk_count = static_cast<std::uint32_t>(chunks_.size());
      entry.digests = static_cast<std::uint32_t>(wanted_.digests);
      entry.features = blob_feature::aligned | blob_feature::cap_tar_toc;
      entry.compressed_size = made_.blob.size();
      entry.uncompressed_size = uncompressed_size_;
      put_record(block_size, entry);
    }
    for (std::size_t i = 0; i < wanted_.prefetch.size(); ++i)
      put_record(prefetch_offset + i * sizeof(le32),
                 le32{static_cast<std::uint32_t>(by_path_.at(wanted_.prefetch[i])->nid())});
    for (const auto* one : in_order_) {
      put(metadata_offset + one->at, inode_of(*one, metadata_offset));
      put(metadata_offset + one->block,
          one->data.substr(0, one->data.size() - (one->is_inline() ? one->body_size() : 0)));
    }
    for (const auto& [path, one] : by_path_) {
      made_.records[path] = metadata_offset + one->nid() * slot_size;
      made_.inode_numbers[path] = one->nid();
    }
    for (const auto& [digest, record] : chunks_) // in the order of their digests
      append(to, record);
    to.resize(round_up(to.size(), block_size));
  }

  tiny_image wanted_;
  node root_;
  std::vector<node*> in_order_; // those with an inode of their own
  std::map<std::string, node*> by_path_;
  std::map<digest_bytes, chunk_record> chunks_;
  std::uint64_t uncompressed_size_ = 0;
  tiny_image_bytes made_;
};

} // namespace

tiny_image_bytes make_tiny_image_v6(const tiny_image& wanted) {
  return writer{wanted}.write();
}

} // namespace nydus
