// SPDX-License-Identifier: Apache-2.0
#include "builder/image_builder.hpp"

#include <chrono>
#include <optional>

#include "builder/blob_writer.hpp"
#include "builder/bootstrap_writer_v5.hpp"
#include "builder/bootstrap_writer_v6.hpp"
#include "builder/chunk_infos.hpp"
#include "builder/directory_source.hpp"
#include "builder/inode_numbering.hpp"
#include "builder/layer_merge.hpp"
#include "builder/node_digests.hpp"
#include "builder/parent_image.hpp"
#include "builder/tar_header.hpp"

namespace nydus::builder {

namespace {

constexpr std::size_t blob_id_size = 64; // hex of SHA-256

class stopwatch {
public:
  double seconds() const { return std::chrono::duration<double>(clock::now() - start_).count(); }

private:
  using clock = std::chrono::steady_clock;
  clock::time_point start_ = clock::now();
};

class image_builder {
public:
  image_builder(const build_settings& settings, const prefetch_patterns& patterns)
      : settings_(settings), patterns_(patterns) {}

  result<built_image> run();

private:
  result<void> load_tree();
  result<void> open_outputs();
  result<void> store_content();
  result<void> close_section(std::string_view name, std::uint64_t start);
  result<void> write_own_chunk_infos();
  result<std::uint64_t> write_bootstrap(output_file& out) const;
  result<void> write_with_bootstrap_inside();
  result<void> write_blob_and_bootstrap();

  const build_settings& settings_;
  const prefetch_patterns& patterns_;
  file_tree lower_tree_;
  file_tree tree_;
  scanned_directory scanned_;
  image_content content_;
  numbered_inodes inodes_;
  prefetch_plan plan_;
  std::optional<output_file> blob_file_;
  std::optional<output_file> bootstrap_file_; // none: the bootstrap goes into the blob
  std::optional<std::size_t> own_blob_;
  built_image built_;
};

result<void> image_builder::load_tree() {
  const stopwatch scan_time;
  auto scanned = scan_directory(settings_, tree_);
  if (!scanned)
    return std::move(scanned).error();
  scanned_ = *scanned;
  built_.entry_count = scanned_.entry_count;
  built_.times.load_from_directory = scan_time.seconds();

  const stopwatch merge_time;
  if (!settings_.parent_bootstrap.empty()) {
    auto blobs = load_image(settings_.parent_bootstrap, settings_, lower_tree_, content_.chunks);
    if (!blobs)
      return failure{blobs.error().code, "parent image " + blobs.error().detail};
    content_.blobs = std::move(*blobs);
    merge_layers(*lower_tree_.root, *tree_.root, settings_.whiteouts);
  }
  inodes_ = number_inodes(*tree_.root);
  plan_ = plan_dump(settings_.prefetch, patterns_, inodes_.by_index);
  built_.times.build_bootstrap = merge_time.seconds();
  return {};
}

/// After the scan, as the outputs may lie in the source; before the work, so that nobody waits for an output
/// that cannot be written.
result<void> image_builder::open_outputs() {
  const auto open = [&](const std::string& path) {
    return path.empty() ? output_file::in(settings_.blob_directory) : output_file::at(path);
  };
  auto blob = open(settings_.blob);
  if (!blob)
    return std::move(blob).error();
  blob_file_.emplace(std::move(*blob));
  if (!settings_.has_inlined_bootstrap) {
    auto bootstrap = open(settings_.bootstrap);
    if (!bootstrap)
      return std::move(bootstrap).error();
    bootstrap_file_.emplace(std::move(*bootstrap));
  }
  if (!settings_.output_json.empty()) // the caller writes it
    if (auto report = output_file::at(settings_.output_json); !report)
      return std::move(report).error();
  return {};
}

result<void> image_builder::store_content() {
  const stopwatch time;
  auto dictionary = chunk_dictionary::load(settings_);
  if (!dictionary)
    return std::move(dictionary).error();
  const auto stored =
      store_files(settings_, plan_, scanned_.content_size, *dictionary, content_, *blob_file_);
  if (!stored)
    return stored.error();
  own_blob_ = stored->blob;
  built_.uncompressed_size = stored->uncompressed_size;
  built_.duplicate_count = stored->duplicate_count;
  built_.duplicate_size = stored->duplicate_size;
  if (settings_.format_version == 5)
    digest_nodes(*tree_.root, content_.chunks, settings_.digests);
  built_.times.dump_blob = time.seconds();
  return {};
}

/// A blob with several sections has a tar header behind each: its bytes from `start` are called `name`.
result<void> image_builder::close_section(std::string_view name, std::uint64_t start) {
  return blob_file_->write(tar_header(name, blob_file_->size() - start));
}

result<void> image_builder::write_own_chunk_infos() {
  return write_chunk_infos(settings_, content_.chunks, static_cast<std::uint32_t>(*own_blob_),
                           content_.blobs[*own_blob_], *blob_file_);
}

result<std::uint64_t> image_builder::write_bootstrap(output_file& out) const {
  return settings_.format_version == 6 ? write_bootstrap_v6(settings_, inodes_, plan_.inodes, content_, out)
                                       : write_bootstrap_v5(settings_, inodes_, plan_.inodes, content_, out);
}

/// The bootstrap cannot name the blob that it is part of; readers take the name of the file (RAFS v5 spec
/// section 14, RAFS v6 spec section 11.1).
result<void> image_builder::write_with_bootstrap_inside() {
  if (own_blob_) {
    auto& own = content_.blobs[*own_blob_];
    own.id.assign(blob_id_size, 'x');
    if (auto closed = close_section("image.blob", 0); !closed)
      return closed;
    if (settings_.format_version == 6) {
      const auto start = blob_file_->size();
      if (auto written = write_own_chunk_infos(); !written)
        return written;
      if (auto closed = close_section("blob.meta", start); !closed)
        return closed;
    }
    own.compressed_size = blob_file_->size();
  }
  const auto size = write_bootstrap(*blob_file_);
  if (!size)
    return size.error();
  if (auto written = blob_file_->write(tar_header("image.boot", *size)); !written)
    return written;
  built_.bootstrap_size = *size;
  built_.blob_size = blob_file_->size();
  const auto id = blob_file_->finish_digest();
  if (own_blob_)
    content_.blobs[*own_blob_].id = id;
  auto published = blob_file_->publish(id);
  if (!published)
    return std::move(published).error();
  built_.blob_path = *published;
  return {};
}

result<void> image_builder::write_blob_and_bootstrap() {
  if (own_blob_) {
    auto& own = content_.blobs[*own_blob_];
    if (settings_.format_version == 6) {
      if (auto written = write_own_chunk_infos(); !written)
        return written;
      own.compressed_size = blob_file_->size();
    }
    built_.blob_size = blob_file_->size();
    if (own.id.empty())
      own.id = blob_file_->finish_digest();
  }
  const auto size = write_bootstrap(*bootstrap_file_);
  if (!size)
    return size.error();
  built_.bootstrap_size = *size;
  if (own_blob_) {
    auto published = blob_file_->publish(content_.blobs[*own_blob_].id);
    if (!published)
      return std::move(published).error();
    built_.blob_path = *published;
  } else if (auto abandoned = blob_file_->abandon(); !abandoned) {
    return abandoned;
  }
  const auto name = settings_.bootstrap.empty() ? bootstrap_file_->finish_digest() : std::string{};
  auto published = bootstrap_file_->publish(name);
  if (!published)
    return std::move(published).error();
  built_.bootstrap_path = *published;
  return {};
}

result<built_image> image_builder::run() {
  const stopwatch total_time;
  if (auto loaded = load_tree(); !loaded)
    return std::move(loaded).error();
  if (auto opened = open_outputs(); !opened)
    return std::move(opened).error();
  if (auto stored = store_content(); !stored)
    return std::move(stored).error();
  const stopwatch bootstrap_time;
  auto written = settings_.has_inlined_bootstrap ? write_with_bootstrap_inside() : write_blob_and_bootstrap();
  if (!written)
    return std::move(written).error();
  built_.times.dump_bootstrap = bootstrap_time.seconds();
  for (const auto& blob : content_.blobs)
    built_.blob_ids.push_back(blob.id);
  built_.times.total_build = total_time.seconds();
  return std::move(built_);
}

} // namespace

result<built_image> build_image(const build_settings& settings, const prefetch_patterns& patterns) {
  return image_builder{settings, patterns}.run();
}

} // namespace nydus::builder
