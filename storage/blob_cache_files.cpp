// SPDX-License-Identifier: Apache-2.0
#include "storage/blob_cache_files.hpp"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "storage/folder_lock.hpp"
#include "storage/read_plan.hpp"

namespace nydus {

namespace {

// Longer than any opening of files takes, shorter than a client waits for its mount.
constexpr std::chrono::milliseconds lock_patience{2000};

result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return system_failure("remove cache file " + path, errno);
  return {};
}

/// Opens the file at `path`, or makes it. Bits speak of one file: they go before that file does and before
/// another is made, so that a kill at any point leaves no bit without its bytes.
result<blob_file> open_or_make(const std::string& path, const std::string& path_of_other_kind,
                               const std::string& map_path, std::uint64_t size) {
  std::error_code ignored;
  // Both kinds share the name of their map, so its bits may speak of either file.
  const bool is_other_there =
      std::filesystem::exists(std::filesystem::symlink_status(path_of_other_kind, ignored));
  if (is_other_there) {
    if (auto removed = remove_file(map_path); !removed)
      return removed.error();
    if (auto removed = remove_file(path_of_other_kind); !removed)
      return removed.error();
  }
  auto found = blob_file::open(path, size);
  if (!found)
    return found.error();
  if (*found)
    return std::move(**found);
  if (auto removed = remove_file(map_path); !removed)
    return removed.error();
  return blob_file::make(path, size);
}

result<std::unique_ptr<chunk_presence>> open_presence(const cache_config& config, const blob& source,
                                                      const std::string& map_path) {
  if (config.disable_chunk_map)
    return chunk_presence::in_memory(source.chunk_count);
  auto presence = chunk_presence::open(map_path, source.chunk_count);
  if (!presence && presence.error().code == errc::no_space)
    return chunk_presence::in_memory(source.chunk_count); // the mount goes on
  return presence;
}

} // namespace

result<std::shared_ptr<blob_cache_files>> blob_cache_files::open(const cache_config& config,
                                                                 const blob& source) {
  if (source.id.empty() || source.id.find('/') != std::string::npos ||
      source.id.find('\0') != std::string::npos)
    return failure{errc::malformed, "blob id '" + source.id + "' is no file name"};
  std::error_code why;
  std::filesystem::create_directories(config.work_directory, why);
  if (why)
    return system_failure("make cache folder " + config.work_directory, why.value());
  const auto lock = lock_folder(config.work_directory, lock_patience);
  if (!lock)
    return lock.error();
  const auto stem = config.work_directory + "/" + source.id;
  const auto plain_path = stem + ".blob.data";
  const auto stored_path = stem + ".blob.raw";
  const auto map_path = stem + ".blob.data.chunk_map"; // one name for both kinds of file

  std::shared_ptr<blob_cache_files> files{new blob_cache_files};
  files->source_ = source;
  files->keeps_compressed_ = config.keep_compressed;
  auto file = config.keep_compressed
                  ? open_or_make(stored_path, plain_path, map_path, source.compressed_size)
                  : open_or_make(plain_path, stored_path, map_path, source.uncompressed_size);
  if (!file)
    return file.error();
  files->file_ = std::make_shared<const blob_file>(std::move(*file));
  if (!source.has_chunk_index())
    return files;
  auto presence = open_presence(config, source, map_path);
  if (!presence)
    return presence.error();
  files->presence_ = std::move(*presence);
  if (config.recheck_cached) {
    auto checked = chunk_presence::in_memory(source.chunk_count);
    if (!checked)
      return checked.error();
    files->checked_ = std::move(*checked);
  }
  return files;
}

bool blob_cache_files::is_servable(const chunk& wanted) const noexcept {
  if (keeps_compressed_)
    return false;
  return checked_ ? checked_->test(wanted.index) : is_kept(wanted);
}

bool blob_cache_files::is_kept(const chunk& wanted) const noexcept {
  return presence_ ? presence_->test(wanted.index) : loose_.contains(wanted);
}

std::uint64_t blob_cache_files::present_count() const noexcept {
  return presence_ ? presence_->count() : loose_.count();
}

std::uint64_t blob_cache_files::offset_of(const chunk& kept) const noexcept {
  return keeps_compressed_ ? kept.compressed_offset : kept.uncompressed_offset;
}

std::uint64_t blob_cache_files::size_of(const chunk& kept) const noexcept {
  return keeps_compressed_ ? stored_size(kept, source_) : kept.uncompressed_size;
}

result<void> blob_cache_files::store(const chunk& checked, std::span<const std::byte> stored,
                                     std::span<const std::byte> plain) {
  if (!source_.has_data_digests && !keeps_compressed_)
    return failure{errc::not_supported, "legacy gzip images give their chunks no place in a cache file"};
  const auto bytes = keeps_compressed_ ? stored : plain;
  const auto offset = offset_of(checked);
  const auto end = keeps_compressed_ ? source_.compressed_size : source_.uncompressed_size;
  // A set bit promises size_of() bytes inside the file; the next opening throws away a file that grew.
  if (bytes.size() != size_of(checked) || (end != 0 && (offset > end || bytes.size() > end - offset)))
    return failure{errc::corrupt, "chunk " + std::to_string(checked.index) + " of blob " + source_.id +
                                      ": its " + std::to_string(bytes.size()) + " bytes at " +
                                      std::to_string(offset) + " do not fit the cache file of " +
                                      std::to_string(end)};
  auto written = file_->write(offset, bytes);
  is_full_.store(!written && written.error().code == errc::no_space, std::memory_order_relaxed);
  if (!written)
    return written;
  if (presence_)
    presence_->set(checked.index);
  else
    loose_.insert(checked);
  mark_checked(checked);
  return {};
}

void blob_cache_files::mark_checked(const chunk& checked) noexcept {
  if (checked_)
    checked_->set(checked.index);
}

} // namespace nydus
