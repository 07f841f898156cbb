// SPDX-License-Identifier: Apache-2.0
// The threads that read, digest and compress, and the ring of batches between them and the one thread that
// decides and writes in order. Memory is bounded by the ring. Neighbour: blob_writer is that one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "builder/build_settings.hpp"
#include "builder/chunk_compressor.hpp"
#include "builder/file_tree.hpp"
#include "metadata/digest.hpp"
#include "protocol/bytes/owned_bytes.hpp"
#include "protocol/result.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus::builder {

/// One chunk of one file on its way.
struct chunk_piece {
  tree_node* file = nullptr;
  std::uint32_t position = 0;     // of the chunk in the file
  std::uint32_t size = 0;         // bytes
  std::uint32_t plain_offset = 0; // bytes into chunk_batch::plain
  bool is_prefetched = false;
  digest_bytes digest{};           // after reading
  std::uint32_t crc32c = 0;        // after reading
  bool is_new = false;             // decided: to be stored
  std::uint32_t entry = 0;         // decided: position in the chunk_table
  std::uint32_t stored_offset = 0; // after compressing: bytes into chunk_batch::stored
  std::uint32_t stored_size = 0;   // after compressing; 0: stored as it is
};

/// Chunks that go through the steps together: one large or many small ones.
struct chunk_batch {
  std::vector<chunk_piece> pieces;
  owned_bytes plain;
  owned_bytes stored;
  std::size_t plain_size = 0; // bytes in use
  std::optional<failure> problem;
  std::atomic<bool> is_ready{false}; // the worker's step is done
};

/// A batch goes free -> (filled) -> read -> (decided) -> compressed -> free; steps in parentheses are the
/// owner's and strictly in order, the others are done by any worker.
/// Threads: all members are the owner's. Destruction waits for the steps in progress.
class chunk_workers {
public:
  /// Opens nothing: `source_descriptor` is settings.source and has to live as long as this.
  chunk_workers(const build_settings& settings, int source_descriptor);
  ~chunk_workers();

  /// Bytes and chunks of one batch at most.
  std::size_t batch_size() const noexcept { return batch_size_; }
  static constexpr std::size_t batch_pieces = 1024;

  /// The next batch to fill, empty; nullptr while all are in use.
  chunk_batch* free_batch() noexcept;
  void submit_filled() noexcept;
  /// The oldest batch that is not decided, once it is read.
  chunk_batch* read_batch() noexcept;
  void submit_decided() noexcept;
  /// The oldest batch that is not written, once it is compressed.
  chunk_batch* compressed_batch() noexcept;
  void release() noexcept;

  /// A mark to take before looking at the three above, for wait(): it returns when any of them may have
  /// changed.
  std::uint32_t mark() const noexcept { return progress_.load(std::memory_order_acquire); }
  void wait(std::uint32_t mark) const noexcept { progress_.wait(mark, std::memory_order_acquire); }

private:
  void work();
  chunk_batch* claim(std::atomic<std::uint64_t>& next, const std::atomic<std::uint64_t>& end) noexcept;
  void finish(chunk_batch& batch) noexcept;
  void announce_work() noexcept;
  chunk_batch& slot(std::uint64_t sequence) noexcept { return ring_[sequence % ring_.size()]; }
  result<void> read(chunk_batch& batch) const;
  result<void> read_piece(const chunk_piece& piece, int file, std::span<std::byte> bytes) const;
  void warn_if_changed(const tree_node& node, int file) const;

  const build_settings& settings_;
  int source_;
  std::size_t batch_size_;
  std::vector<chunk_batch> ring_;
  // Sequence numbers of batches; released_ <= decided_ <= filled_ <= released_ + ring size.
  std::uint64_t released_ = 0;
  std::atomic<std::uint64_t> filled_{0};
  std::atomic<std::uint64_t> decided_{0};
  std::atomic<std::uint64_t> next_to_read_{0};     // claimed by workers up to filled_
  std::atomic<std::uint64_t> next_to_compress_{0}; // claimed by workers up to decided_
  std::atomic<std::uint32_t> work_{0};             // changes when workers have to look; or is_stopping
  std::atomic<std::uint32_t> progress_{0};         // changes when the owner has to look
  std::vector<std::jthread> threads_;
};

} // namespace nydus::builder
