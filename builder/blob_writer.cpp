// SPDX-License-Identifier: Apache-2.0
#include "builder/blob_writer.hpp"

#include <fcntl.h>
#include <lz4.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "metadata/crc32c.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus {

namespace {

constexpr int zstd_level = 3;

/// One chunk on its way: the main thread fills it, a worker digests and compresses, the main thread takes it
/// back, in order. The slots are a ring; `phase` grows by three each time the ring comes round, so that
/// nobody takes this round's chunk for the next one's.
struct work_slot {
  std::atomic<std::uint64_t> phase{0}; // 3 * round: free, + 1: filled, + 2: finished
  bool is_last = false;                // no chunk: the worker that gets it ends
  std::vector<std::byte> plain;
  std::vector<std::byte> packed;
  std::size_t plain_size = 0;
  std::size_t packed_size = 0; // 0: does not get smaller
  digest_bytes digest{};
  std::uint32_t crc = 0;
  file_node* file = nullptr;
  std::uint64_t file_offset = 0;
};

struct digest_hash {
  std::size_t operator()(const digest_bytes& digest) const noexcept {
    std::size_t word;
    std::memcpy(&word, digest.data(), sizeof word);
    return word;
  }
};

std::size_t largest_packed(compressor kind, std::size_t size) {
  switch (kind) {
  case compressor::lz4_block:
    return static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(size)));
  case compressor::zstd:
    return ZSTD_compressBound(size);
  case compressor::none:
  case compressor::gzip:
    return 0;
  }
  return 0;
}

std::size_t pack(compressor kind, ZSTD_CCtx* context, std::span<const std::byte> plain,
                 std::span<std::byte> packed) {
  std::size_t size = 0;
  if (kind == compressor::lz4_block) {
    const int written = LZ4_compress_default(reinterpret_cast<const char*>(plain.data()),
                                             reinterpret_cast<char*>(packed.data()),
                                             static_cast<int>(plain.size()), static_cast<int>(packed.size()));
    size = written > 0 ? static_cast<std::size_t>(written) : 0;
  } else if (kind == compressor::zstd) {
    size = ZSTD_compressCCtx(context, packed.data(), packed.size(), plain.data(), plain.size(), zstd_level);
    if (ZSTD_isError(size) != 0)
      size = 0;
  }
  return size < plain.size() ? size : 0;
}

class dumper {
public:
  dumper(const dump_options& options, int fd)
      : options_(options), fd_(fd), slots_(2 * options.threads + 2), blob_digest_(digester::sha256) {
    for (auto& slot : slots_) {
      slot = std::make_unique<work_slot>();
      slot->plain.resize(options.chunk_size);
      slot->packed.resize(largest_packed(options.compression, options.chunk_size));
    }
    for (unsigned i = 0; i < options.threads; ++i)
      workers_.emplace_back([this] { work(); });
  }

  ~dumper() {
    // The slots behind the last chunk tell the workers to end: each takes one.
    for (unsigned i = 0; i < options_.threads; ++i, ++filled_) {
      auto& slot = slot_of(filled_);
      if (filled_ >= slots_.size()) // a failed dump leaves work behind
        slot.phase.wait(filled_phase(filled_ - slots_.size()));
      slot.is_last = true;
      slot.phase = filled_phase(filled_);
      slot.phase.notify_all();
    }
  }

  result<void> dump(file_node& file) {
    if (!file.is_regular()) {
      file.record.digest = digest_of(options_.digests, std::as_bytes(std::span{file.target}));
      return {};
    }
    const unique_fd source{::open(file.source_path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (!source)
      return system_failure("open " + file.source_path, errno);
    for (std::uint64_t offset = 0; offset < file.record.size; offset += options_.chunk_size) {
      if (filled_ - taken_ == slots_.size())
        if (auto one = take(); !one)
          return one;
      auto& slot = slot_of(filled_);
      slot.plain_size =
          static_cast<std::size_t>(std::min<std::uint64_t>(options_.chunk_size, file.record.size - offset));
      if (auto read = fill(source.get(), file, offset, slot); !read)
        return read;
      slot.file = &file;
      slot.file_offset = offset;
      slot.phase = filled_phase(filled_++);
      slot.phase.notify_all();
    }
    return {};
  }

  result<dumped_blob> finish() {
    while (taken_ != filled_)
      if (auto one = take(); !one)
        return one.error();
    if (written_.chunk_count != 0)
      written_.id = to_hex(blob_digest_.finish());
    return written_;
  }

private:
  work_slot& slot_of(std::uint64_t ticket) noexcept { return *slots_[ticket % slots_.size()]; }
  std::uint64_t filled_phase(std::uint64_t ticket) const noexcept { return 3 * (ticket / slots_.size()) + 1; }

  static result<void> fill(int fd, const file_node& file, std::uint64_t offset, work_slot& slot) {
    for (std::size_t done = 0; done < slot.plain_size;) {
      const auto count =
          ::pread(fd, slot.plain.data() + done, slot.plain_size - done, static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR)
        continue;
      if (count <= 0)
        return count < 0 ? system_failure("read " + file.source_path, errno)
                         : failure{errc::unavailable, file.source_path + " became shorter while it was read"};
      done += static_cast<std::size_t>(count);
    }
    return {};
  }

  void work() {
    struct context_free {
      void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
    };
    const std::unique_ptr<ZSTD_CCtx, context_free> context{ZSTD_createCCtx()};
    while (true) {
      const auto ticket = claimed_++;
      auto& slot = slot_of(ticket);
      for (auto phase = slot.phase.load(); phase != filled_phase(ticket); phase = slot.phase.load())
        slot.phase.wait(phase);
      if (slot.is_last)
        return;
      const auto plain = std::span{slot.plain}.first(slot.plain_size);
      slot.digest = digest_of(options_.digests, plain);
      slot.crc = crc32c(plain);
      slot.packed_size = pack(options_.compression, context.get(), plain, slot.packed);
      slot.phase = filled_phase(ticket) + 1;
      slot.phase.notify_all();
    }
  }

  /// Takes the oldest chunk back: a known one is referred to, a new one written.
  result<void> take() {
    auto& slot = slot_of(taken_);
    slot.phase.wait(filled_phase(taken_));
    auto& file = *slot.file;
    const auto [known, is_new] = chunks_.try_emplace(slot.digest);
    auto& record = known->second;
    if (is_new) {
      if (auto stored = store(slot, record); !stored)
        return stored;
    } else {
      ++written_.dedup_chunks;
      written_.dedup_bytes += slot.plain_size;
    }
    file.chunks.push_back(record);
    file.chunks.back().file_offset = slot.file_offset;
    slot.phase = filled_phase(taken_++) + 2;
    return {};
  }

  result<void> store(const work_slot& slot, rafs_v5::chunk_record& record) {
    if (written_.chunk_count >= 0xffffff)
      return failure{errc::malformed, "more than 16,777,215 chunks in one blob; use a larger --chunk-size"};
    const auto bytes = slot.packed_size != 0 ? std::span{slot.packed}.first(slot.packed_size)
                                             : std::span{slot.plain}.first(slot.plain_size);
    record.digest = slot.digest;
    record.flags =
        rafs_v5::chunk_flag::has_crc32 | (slot.packed_size != 0 ? rafs_v5::chunk_flag::compressed : 0);
    record.crc32c = slot.crc;
    record.index = written_.chunk_count++;
    record.compressed_size = static_cast<std::uint32_t>(bytes.size());
    record.uncompressed_size = static_cast<std::uint32_t>(slot.plain_size);
    record.compressed_offset = written_.compressed_size;
    record.uncompressed_offset = written_.uncompressed_size;
    written_.compressed_size += bytes.size();
    written_.uncompressed_size +=
        options_.is_aligned ? (slot.plain_size + 4095) / 4096 * 4096 : slot.plain_size;
    written_.stored_bytes += slot.plain_size;
    blob_digest_.update(bytes);
    for (auto rest = std::span<const std::byte>{bytes}; !rest.empty();) {
      const auto count = ::write(fd_, rest.data(), rest.size());
      if (count < 0 && errno == EINTR)
        continue;
      if (count <= 0)
        return system_failure("write the blob", errno);
      rest = rest.subspan(static_cast<std::size_t>(count));
    }
    return {};
  }

  const dump_options& options_;
  int fd_;
  std::vector<std::unique_ptr<work_slot>> slots_; // filled, worked on and taken in the same order
  std::uint64_t filled_ = 0;
  std::uint64_t taken_ = 0;
  std::atomic<std::uint64_t> claimed_{0};
  std::unordered_map<digest_bytes, rafs_v5::chunk_record, digest_hash> chunks_;
  digest_stream blob_digest_;
  dumped_blob written_;
  std::vector<std::jthread> workers_; // last: joined before the slots go
};

} // namespace

result<dumped_blob> dump_files(std::span<file_node* const> files, const dump_options& options, int fd) {
  dumper work{options, fd};
  for (auto* file : files)
    if (!file->is_directory())
      if (auto dumped = work.dump(*file); !dumped)
        return dumped.error();
  auto written = work.finish();
  if (!written)
    return written;
  for (auto* file : files)
    if (file->is_regular()) {
      digest_stream stream{options.digests};
      for (const auto& record : file->chunks)
        stream.update(std::as_bytes(std::span{record.digest}));
      file->record.digest = stream.finish();
    }
  return written;
}

} // namespace nydus
