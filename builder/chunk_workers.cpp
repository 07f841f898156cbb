// SPDX-License-Identifier: Apache-2.0
#include "builder/chunk_workers.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "builder/build_log.hpp"
#include "builder/path_open.hpp"
#include "metadata/crc32c.hpp"

namespace nydus::builder {

namespace {

// Small files share a batch of this size, so that handing over costs nothing against the work.
constexpr std::size_t smallest_batch = 1024 * 1024;

// chunk_workers::work_ counts submissions; its lowest bit ends the workers.
constexpr std::uint32_t is_stopping = 1;
constexpr std::uint32_t one_submission = 2;

/// Enough that each thread has one batch at work and one waiting; of large chunks fewer, for their memory.
std::size_t ring_size(const build_settings& settings, std::size_t batch_size) {
  return batch_size > 4 * smallest_batch ? settings.thread_count + 1 : settings.thread_count * 2 + 2;
}

} // namespace

chunk_workers::chunk_workers(const build_settings& settings, int source_descriptor)
    : settings_(settings), source_(source_descriptor),
      batch_size_(std::max<std::size_t>(settings.chunk_size, smallest_batch)),
      ring_(ring_size(settings, batch_size_)) {
  threads_.reserve(settings.thread_count);
  for (unsigned i = 0; i < settings.thread_count; ++i)
    threads_.emplace_back([this] { work(); });
}

chunk_workers::~chunk_workers() {
  work_.fetch_or(is_stopping, std::memory_order_release);
  work_.notify_all();
  threads_.clear(); // joins
}

chunk_batch* chunk_workers::free_batch() noexcept {
  const auto sequence = filled_.load(std::memory_order_relaxed);
  return sequence - released_ < ring_.size() ? &slot(sequence) : nullptr;
}

void chunk_workers::announce_work() noexcept {
  work_.fetch_add(one_submission, std::memory_order_release);
  work_.notify_one();
}

void chunk_workers::submit_filled() noexcept {
  filled_.fetch_add(1, std::memory_order_release);
  announce_work();
}

chunk_batch* chunk_workers::read_batch() noexcept {
  const auto sequence = decided_.load(std::memory_order_relaxed);
  if (sequence == filled_.load(std::memory_order_relaxed))
    return nullptr;
  auto& batch = slot(sequence);
  return batch.is_ready.load(std::memory_order_acquire) ? &batch : nullptr;
}

void chunk_workers::submit_decided() noexcept {
  slot(decided_.load(std::memory_order_relaxed)).is_ready.store(false, std::memory_order_relaxed);
  decided_.fetch_add(1, std::memory_order_release);
  announce_work();
}

chunk_batch* chunk_workers::compressed_batch() noexcept {
  if (released_ == decided_.load(std::memory_order_relaxed))
    return nullptr;
  auto& batch = slot(released_);
  return batch.is_ready.load(std::memory_order_acquire) ? &batch : nullptr;
}

void chunk_workers::release() noexcept {
  auto& batch = slot(released_++);
  batch.is_ready.store(false, std::memory_order_relaxed);
  batch.pieces.clear();
  batch.plain_size = 0;
}

chunk_batch* chunk_workers::claim(std::atomic<std::uint64_t>& next,
                                  const std::atomic<std::uint64_t>& end) noexcept {
  auto sequence = next.load(std::memory_order_relaxed);
  while (sequence < end.load(std::memory_order_acquire))
    if (next.compare_exchange_weak(sequence, sequence + 1, std::memory_order_relaxed))
      return &slot(sequence);
  return nullptr;
}

void chunk_workers::finish(chunk_batch& batch) noexcept {
  batch.is_ready.store(true, std::memory_order_release);
  progress_.fetch_add(1, std::memory_order_release);
  progress_.notify_one();
}

void chunk_workers::work() {
  chunk_compressor encoder{settings_.compression};
  for (;;) {
    // One word says both that there is work and that there will be none: no change of it can be missed.
    const auto seen = work_.load(std::memory_order_acquire);
    if ((seen & is_stopping) != 0)
      return;
    if (auto* batch = claim(next_to_compress_, decided_)) { // first, as it empties the ring
      std::size_t used = 0;
      if (settings_.compression != compressor::none && batch->stored.size() == 0)
        batch->stored = owned_bytes{chunk_compressor::bound(settings_.compression, batch_size_) +
                                    batch_pieces * chunk_compressor::bound(settings_.compression, 0)};
      for (auto& piece : batch->pieces) {
        piece.stored_size = 0;
        if (!piece.is_new || settings_.compression == compressor::none)
          continue;
        piece.stored_offset = static_cast<std::uint32_t>(used);
        piece.stored_size = static_cast<std::uint32_t>(encoder.compress(
            batch->plain.span().subspan(piece.plain_offset, piece.size), batch->stored.span().subspan(used)));
        used += piece.stored_size;
      }
      finish(*batch);
    } else if ((batch = claim(next_to_read_, filled_)) != nullptr) {
      if (auto done = read(*batch); !done)
        batch->problem = std::move(done).error();
      finish(*batch);
    } else {
      work_.wait(seen, std::memory_order_acquire);
    }
  }
}

result<void> chunk_workers::read(chunk_batch& batch) const {
  if (batch.plain.size() == 0)
    batch.plain = owned_bytes{batch_size_};
  const tree_node* opened_file = nullptr;
  unique_fd file;
  for (auto& piece : batch.pieces) {
    if (piece.file != opened_file) {
      auto opened = open_node(source_, settings_.source, *piece.file, O_RDONLY);
      if (!opened)
        return std::move(opened).error();
      file = std::move(*opened);
      opened_file = piece.file;
    }
    const auto bytes = batch.plain.span().subspan(piece.plain_offset, piece.size);
    if (auto done = read_piece(piece, file.get(), bytes); !done)
      return done;
    if (piece.position * std::uint64_t{settings_.chunk_size} + piece.size == piece.file->size)
      warn_if_changed(*piece.file, file.get());
    piece.digest = digest_of(settings_.digests, bytes);
    piece.crc32c = crc32c(bytes);
  }
  return {};
}

/// As the public builder, what is read is taken; but the user should know.
void chunk_workers::warn_if_changed(const tree_node& node, int file) const {
  struct stat now {};
  if (::fstat(file, &now) == 0 && static_cast<std::uint64_t>(now.st_size) == node.size &&
      static_cast<std::uint64_t>(now.st_mtim.tv_sec) == node.modified_seconds &&
      static_cast<std::uint32_t>(now.st_mtim.tv_nsec) == node.modified_nanoseconds)
    return;
  log_warning(settings_.source + path_of(node) +
              " changed while the image was built, which may hold a mix of its old and new bytes");
}

result<void> chunk_workers::read_piece(const chunk_piece& piece, int file, std::span<std::byte> bytes) const {
  auto offset = static_cast<off_t>(std::uint64_t{piece.position} * settings_.chunk_size);
  while (!bytes.empty()) {
    const auto count = ::pread(file, bytes.data(), bytes.size(), offset);
    if (count < 0)
      return system_failure("read " + settings_.source + path_of(*piece.file), errno);
    if (count == 0)
      return failure{errc::unavailable, settings_.source + path_of(*piece.file) +
                                            " became shorter while it was read, " + std::to_string(offset) +
                                            " of " + std::to_string(piece.file->size) +
                                            " bytes; build again when nobody writes to it"};
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += count;
  }
  return {};
}

} // namespace nydus::builder
