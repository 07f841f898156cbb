// SPDX-License-Identifier: Apache-2.0
#include "builder/blob_writer.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "builder/chunk_workers.hpp"
#include "builder/interruption.hpp"
#include "builder/progress_line.hpp"

namespace nydus::builder {

namespace {

constexpr std::uint32_t highest_chunk_index = 0xfffffe;
constexpr std::size_t most_blobs = 256;
constexpr std::uint64_t chunk_alignment = 4096; // of uncompressed offsets, with --aligned-chunk

class blob_writer {
public:
  blob_writer(const build_settings& settings, const prefetch_plan& plan, std::uint64_t content_size,
              chunk_dictionary& dictionary, image_content& content, output_file& blob)
      : settings_(settings), plan_(plan), dictionary_(dictionary), content_(content), output_(blob),
        compressed_offset_(settings.blob_offset), progress_(content_size, settings.shows_progress) {}

  result<stored_content> run();

private:
  bool is_filled(chunk_batch& batch, std::size_t batch_size);
  result<void> decide(chunk_batch& batch);
  result<void> store_new(chunk_piece& piece);
  result<void> write(const chunk_batch& batch);

  const build_settings& settings_;
  const prefetch_plan& plan_;
  chunk_dictionary& dictionary_;
  image_content& content_;
  output_file& output_;
  stored_content stored_;
  std::size_t next_file_ = 0;       // of the plan
  std::uint32_t next_position_ = 0; // of its chunks
  std::uint64_t compressed_offset_;
  std::uint64_t written_content_ = 0; // bytes of files that are through
  progress_line progress_;
};

result<stored_content> blob_writer::run() {
  unique_fd source{::open(settings_.source.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!source)
    return system_failure("open the source " + settings_.source, errno);
  chunk_workers workers{settings_, source.get()};
  std::uint64_t in_flight = 0;
  for (;;) {
    const auto mark = workers.mark();
    bool has_moved = false;
    if (auto go_on = check_interruption(); !go_on)
      return std::move(go_on).error();
    for (auto* batch = workers.compressed_batch(); batch != nullptr; batch = workers.compressed_batch()) {
      if (auto written = write(*batch); !written)
        return std::move(written).error();
      workers.release();
      --in_flight;
      has_moved = true;
    }
    for (auto* batch = workers.read_batch(); batch != nullptr; batch = workers.read_batch()) {
      if (batch->problem)
        return *batch->problem;
      if (auto decided = decide(*batch); !decided)
        return std::move(decided).error();
      workers.submit_decided();
      has_moved = true;
    }
    for (auto* batch = workers.free_batch(); batch != nullptr; batch = workers.free_batch()) {
      if (!is_filled(*batch, workers.batch_size()))
        break;
      workers.submit_filled();
      ++in_flight;
      has_moved = true;
    }
    if (in_flight == 0)
      return stored_;
    if (!has_moved)
      workers.wait(mark);
  }
}

/// Puts the next chunks in; false if there are none left.
bool blob_writer::is_filled(chunk_batch& batch, std::size_t batch_size) {
  while (next_file_ < plan_.files.size() && batch.pieces.size() < chunk_workers::batch_pieces) {
    auto* file = plan_.files[next_file_];
    const auto start = std::uint64_t{next_position_} * settings_.chunk_size;
    const auto size =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(settings_.chunk_size, file->size - start));
    if (batch.plain_size + size > batch_size)
      break;
    chunk_piece piece;
    piece.file = file;
    piece.position = next_position_;
    piece.size = size;
    piece.plain_offset = static_cast<std::uint32_t>(batch.plain_size);
    piece.is_prefetched = next_file_ < plan_.prefetched_count;
    batch.pieces.push_back(piece);
    batch.plain_size += size;
    ++next_position_;
    if (start + size == file->size) {
      ++next_file_;
      next_position_ = 0;
    }
  }
  return !batch.pieces.empty();
}

result<void> blob_writer::decide(chunk_batch& batch) {
  for (auto& piece : batch.pieces) {
    auto found = dictionary_.find(piece.digest, piece.size, content_.chunks, content_.blobs);
    if (!found)
      found = content_.chunks.find(piece.digest, piece.size);
    if (found) {
      piece.is_new = false;
      piece.entry = *found;
      ++stored_.duplicate_count;
      stored_.duplicate_size += piece.size;
    } else if (auto added = store_new(piece); !added) {
      return added;
    }
    if (content_.blobs.size() > most_blobs)
      return failure{errc::not_supported, "the image refers to more than 256 blobs"};
    piece.file->chunks.push_back(piece.entry);
  }
  return {};
}

/// Numbers the chunk; where it is stored is known after compression.
result<void> blob_writer::store_new(chunk_piece& piece) {
  if (!stored_.blob) {
    stored_.blob = content_.blobs.size();
    image_blob own;
    own.id = settings_.blob_id;
    own.features = rafs_v5::blob_feature::cap_tar_toc;
    if (settings_.format_version == 6)
      own.features |= rafs_v6::blob_feature::aligned;
    if (settings_.has_inlined_bootstrap)
      own.features |= rafs_v5::blob_feature::inlined_fs_meta | rafs_v5::blob_feature::has_tar_header;
    content_.blobs.push_back(std::move(own));
  }
  auto& blob = content_.blobs[*stored_.blob];
  if (blob.chunk_count > highest_chunk_index)
    return failure{errc::not_supported,
                   settings_.source + path_of(*piece.file) +
                       ": the layer has more than 16,777,215 different chunks; use a larger "
                       "--chunk-size"};
  rafs_v5::chunk_record record{};
  record.digest = piece.digest;
  record.blob_index = static_cast<std::uint32_t>(*stored_.blob);
  record.flags = rafs_v5::chunk_flag::has_crc32;
  record.uncompressed_size = piece.size;
  record.uncompressed_offset = blob.uncompressed_size;
  record.index = blob.chunk_count++;
  record.crc32c = piece.crc32c;
  blob.uncompressed_size += settings_.aligns_chunks()
                                ? (piece.size + chunk_alignment - 1) / chunk_alignment * chunk_alignment
                                : piece.size;
  stored_.uncompressed_size += piece.size;
  piece.is_new = true;
  piece.entry = content_.chunks.add(record);
  return {};
}

result<void> blob_writer::write(const chunk_batch& batch) {
  for (const auto& piece : batch.pieces) {
    written_content_ += piece.size;
    if (!piece.is_new)
      continue;
    const bool is_compressed = piece.stored_size != 0;
    const auto bytes = is_compressed ? batch.stored.span().subspan(piece.stored_offset, piece.stored_size)
                                     : batch.plain.span().subspan(piece.plain_offset, piece.size);
    auto& record = content_.chunks[piece.entry];
    record.compressed_offset = compressed_offset_;
    record.compressed_size = static_cast<std::uint32_t>(bytes.size());
    if (is_compressed)
      record.flags = record.flags | rafs_v5::chunk_flag::compressed;
    compressed_offset_ += bytes.size();
    auto& blob = content_.blobs[*stored_.blob];
    blob.compressed_size += bytes.size();
    if (piece.is_prefetched && settings_.prefetch == prefetch_policy::blob)
      blob.readahead_size += static_cast<std::uint32_t>(bytes.size());
    if (auto written = output_.write(bytes); !written)
      return written;
  }
  progress_.show(written_content_);
  return {};
}

} // namespace

result<stored_content> store_files(const build_settings& settings, const prefetch_plan& plan,
                                   std::uint64_t content_size, chunk_dictionary& dictionary,
                                   image_content& content, output_file& blob) {
  return blob_writer{settings, plan, content_size, dictionary, content, blob}.run();
}

} // namespace nydus::builder
