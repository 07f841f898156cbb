// SPDX-License-Identifier: Apache-2.0
#include "builder/bootstrap_layout_v6.hpp"

#include <array>
#include <deque>
#include <optional>

#include "builder/directory_data_v6.hpp"
#include "builder/xattr_area_v6.hpp"

namespace nydus::builder {

namespace {

using rafs_v6::block_size;
using rafs_v6::slot_size;

constexpr std::uint64_t align(std::uint64_t size, std::uint64_t unit) noexcept {
  return (size + unit - 1) / unit * unit;
}

/// Rest of blocks that nothing large fitted into, for smaller inodes.
class free_slots {
public:
  /// What is left of the block from `offset` on.
  void give(std::uint64_t offset) {
    if (const auto used = offset % block_size; used != 0)
      blocks_[(block_size - used) / slot_size].push_back(offset - used);
  }
  std::optional<std::uint64_t> take(std::uint64_t size) {
    if (size >= block_size)
      return std::nullopt;
    const auto needed = align(size, slot_size) / slot_size;
    for (auto slots = needed; slots < blocks_.size(); ++slots) {
      if (blocks_[slots].empty())
        continue;
      const auto offset = blocks_[slots].front() + block_size - slot_size * slots;
      blocks_[slots].pop_front();
      give(offset + slot_size * needed);
      return offset;
    }
    return std::nullopt;
  }

private:
  std::array<std::deque<std::uint64_t>, block_size / slot_size> blocks_; // by free slots at their ends
};

class placer {
public:
  explicit placer(const numbered_inodes& inodes) : inodes_(inodes) {
    layout_.places.resize(inodes.by_index.size());
  }

  image_layout run() {
    // A directory, its other children, then what is in its directories.
    std::vector<const tree_node*> waiting{inodes_.by_index.front()};
    while (!waiting.empty()) {
      const auto& directory = *waiting.back();
      waiting.pop_back();
      place(directory);
      for (const auto* child : directory.children)
        if (!child->is_directory())
          place(*child);
      for (auto child = directory.children.rbegin(); child != directory.children.rend(); ++child)
        if ((*child)->is_directory())
          waiting.push_back(*child);
    }
    layout_.end = align(next_, block_size);
    return std::move(layout_);
  }

private:
  void place(const tree_node& node) {
    auto& at = layout_.places[node.index - 1];
    if (node.number != node.index) {
      at = layout_.places[node.number - 1];
      return;
    }
    const auto head = sizeof(rafs_v6::extended_inode) + xattr_area_size(node);
    if (node.is_regular())
      at.offset =
          take(align(head, sizeof(rafs_v6::chunk_index)) + node.chunks.size() * sizeof(rafs_v6::chunk_index));
    else if (node.is_directory() || node.is_symlink())
      place_with_data(node, head, at);
    else
      at.offset = append(head);
    next_ = align(next_, slot_size);
  }

  void place_with_data(const tree_node& node, std::uint64_t head, inode_place& at) {
    at.data_size = node.is_directory() ? directory_data_size(node) : node.target.size();
    const auto tail = at.data_size % block_size;
    at.is_inline = tail != 0 && head + tail <= block_size;
    if (at.is_inline) {
      const auto found = free_.take(head + tail);
      if (!found && block_size - next_ % block_size < head + tail) // it may not cross a block's end
        skip_to_block();
      at.offset = found ? *found : append(head + tail);
      if (at.data_size >= block_size)
        skip_to_block();
      at.data_offset = next_;
      next_ += at.data_size - tail;
    } else {
      at.offset = take(head);
      skip_to_block();
      at.data_offset = next_;
      next_ = align(next_ + at.data_size, block_size);
    }
  }

  std::uint64_t append(std::uint64_t size) {
    const auto offset = next_;
    next_ += size;
    return offset;
  }
  std::uint64_t take(std::uint64_t size) {
    const auto found = free_.take(size);
    return found ? *found : append(size);
  }
  void skip_to_block() {
    free_.give(next_);
    next_ = align(next_, block_size);
  }

  const numbered_inodes& inodes_;
  free_slots free_;
  image_layout layout_;
  std::uint64_t next_ = block_size; // the root's place, that its nid is the same in all images
};

} // namespace

image_layout lay_out(const numbered_inodes& inodes) {
  return placer{inodes}.run();
}

} // namespace nydus::builder
