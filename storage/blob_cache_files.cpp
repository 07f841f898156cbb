// SPDX-License-Identifier: Apache-2.0
#include "storage/blob_cache_files.hpp"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "storage/read_plan.hpp"

namespace nydus {

result<std::shared_ptr<blob_cache_files>> blob_cache_files::open(const cache_config& config,
                                                                 const blob& source) {
  std::error_code why;
  std::filesystem::create_directories(config.work_directory, why);
  if (why)
    return failure{errc::unavailable, "make cache directory " + config.work_directory + ": " + why.message()};
  std::shared_ptr<blob_cache_files> files{new blob_cache_files};
  files->source_ = source;
  files->keeps_compressed_ = config.keep_compressed;
  const auto stem = config.work_directory + "/" + source.id;
  const auto map_path = stem + ".blob.data.chunk_map"; // one name for both kinds of file
  const auto size = config.keep_compressed ? source.compressed_size : source.uncompressed_size;
  const auto data_path = stem + (config.keep_compressed ? ".blob.raw" : ".blob.data");
  // Bits of a file that is gone tell nothing. They go before the file is made, so that no kill leaves them
  // behind it.
  if (!std::filesystem::exists(data_path, why) && ::unlink(map_path.c_str()) != 0 && errno != ENOENT)
    return system_failure("remove chunk map " + map_path, errno);
  bool was_made = false;
  auto file = blob_file::open(data_path, size, was_made);
  if (!file)
    return file.error();
  if (was_made && ::unlink(map_path.c_str()) != 0 && errno != ENOENT)
    return system_failure("remove chunk map " + map_path, errno);
  files->file_ = std::make_shared<const blob_file>(std::move(*file));
  if (!source.has_chunk_index())
    return files;
  if (config.disable_chunk_map) {
    files->presence_ = chunk_presence::in_memory(source.chunk_count);
  } else {
    auto presence = chunk_presence::open(map_path, source.chunk_count);
    if (!presence)
      return presence.error();
    files->presence_ = std::move(*presence);
  }
  if (config.recheck_cached)
    files->checked_ = chunk_presence::in_memory(source.chunk_count);
  return files;
}

bool blob_cache_files::is_servable(const chunk& wanted) const noexcept {
  return !keeps_compressed_ && presence_ && (checked_ ? *checked_ : *presence_).test(wanted.index);
}

bool blob_cache_files::is_kept(const chunk& wanted) const noexcept {
  return presence_ && presence_->test(wanted.index);
}

std::uint64_t blob_cache_files::offset_of(const chunk& kept) const noexcept {
  return keeps_compressed_ ? kept.compressed_offset : kept.uncompressed_offset;
}

std::uint64_t blob_cache_files::size_of(const chunk& kept) const noexcept {
  return keeps_compressed_ ? stored_size(kept, source_) : kept.uncompressed_size;
}

result<void> blob_cache_files::store(const chunk& checked, std::span<const std::byte> stored,
                                     std::span<const std::byte> plain) {
  if (!presence_)
    return failure{errc::not_supported, "the image does not number its chunks"};
  if (auto written = file_->write(offset_of(checked), keeps_compressed_ ? stored : plain); !written)
    return written;
  presence_->set(checked.index);
  mark_checked(checked);
  return {};
}

void blob_cache_files::mark_checked(const chunk& checked) noexcept {
  if (checked_)
    checked_->set(checked.index);
}

} // namespace nydus
