// SPDX-License-Identifier: Apache-2.0
// nydus-image: builds a RAFS v5 image from a directory, and checks images.
#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>
#include <unordered_set>

#include "build_version.hpp"
#include "builder/blob_writer.hpp"
#include "builder/bootstrap_writer_v5.hpp"
#include "builder/directory_source.hpp"
#include "builder/prefetch_patterns.hpp"
#include "metadata/image.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus {

namespace {

struct create_options {
  std::string source, type = "dir-rafs", bootstrap, blob, blob_dir, blob_id, output_json, log_level = "info",
                      log_file;
  std::string compressor_name = "zstd", digester_name = "blake3", whiteouts = "oci", prefetch_policy = "none";
  std::string fs_version = "5", chunk_size = "0x100000";
  bool is_aligned = false, is_repeatable = false, skips_check = false;
};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Where the blob goes while its name, its digest, is not known yet. Removed unless it was put in place.
class blob_output {
public:
  static result<std::unique_ptr<blob_output>> open(const create_options& options) {
    std::unique_ptr<blob_output> output{new blob_output};
    if (!options.blob.empty()) {
      output->path_ = options.blob;
      output->fd_ = unique_fd{::open(options.blob.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
      struct stat status {};
      output->is_temporary_ =
          output->fd_ && ::fstat(output->fd_.get(), &status) == 0 && S_ISREG(status.st_mode);
    } else {
      output->directory_ = options.blob_dir;
      output->path_ = options.blob_dir + "/.nydus-image-XXXXXX";
      output->fd_ = unique_fd{::mkostemp(output->path_.data(), O_CLOEXEC)};
      output->is_temporary_ = true;
    }
    if (!output->fd_)
      return system_failure("open blob " + output->path_, errno);
    return output;
  }
  ~blob_output() {
    if (is_temporary_)
      ::unlink(path_.c_str());
  }

  int fd() const noexcept { return fd_.get(); }

  result<void> put_in_place(const std::string& id) {
    if (directory_.empty()) {
      is_temporary_ = false;
      return {};
    }
    if (id.empty())
      return {}; // no data, no blob
    const auto path = directory_ + "/" + id;
    if (::fchmod(fd_.get(), 0644) != 0 || ::rename(path_.c_str(), path.c_str()) != 0)
      return system_failure("name blob " + path, errno);
    is_temporary_ = false;
    return {};
  }

private:
  blob_output() = default;
  unique_fd fd_;
  std::string path_, directory_;
  bool is_temporary_ = false;
};

result<std::uint32_t> parse_chunk_size(const std::string& text) {
  char* end = nullptr;
  const auto size = std::strtoull(text.c_str(), &end, 0);
  if (end == text.c_str() || *end != '\0' || !std::has_single_bit(size) ||
      size < rafs_v5::minimum_chunk_size || size > rafs_v5::maximum_chunk_size)
    return failure{errc::malformed,
                   "--chunk-size is '" + text + "'; a power of two from 0x1000 to 0x1000000 is right"};
  return static_cast<std::uint32_t>(size);
}

result<void> write_file(const std::string& path, const std::string& text) {
  const auto temporary = path + ".tmp";
  std::ofstream out{temporary, std::ios::binary | std::ios::trunc};
  out << text;
  out.close();
  std::error_code why;
  if (!out) {
    std::filesystem::remove(temporary, why);
    return failure{errc::unavailable, "write " + path + ": " + std::strerror(errno)};
  }
  std::filesystem::rename(temporary, path, why);
  if (why)
    return failure{errc::unavailable, "name " + path + ": " + why.message()};
  return {};
}

std::string report(const create_options& options, const dumped_blob& blob, const std::string& bootstrap,
                   std::size_t entries, double scan_seconds, double total_seconds) {
  const nlohmann::ordered_json json{
      {"version", std::string{NYDUS_VERSION} + "-" + NYDUS_GIT_COMMIT},
      {"bootstrap", bootstrap},
      {"blobs", blob.id.empty() ? nlohmann::ordered_json::array() : nlohmann::ordered_json::array({blob.id})},
      {"external_bootstrap", nullptr},
      {"external_blobs", nlohmann::ordered_json::array()},
      {"trace",
       {{"consumed_time", {{"load_from_directory", scan_seconds}, {"total_build", total_seconds}}},
        {"registered_events",
         {{"blob_uncompressed_size", blob.uncompressed_size},
          {"dedup_chunks", blob.dedup_chunks},
          {"dedup_uncompressed_size", blob.dedup_bytes},
          {"egid", std::to_string(::getegid())},
          {"euid", std::to_string(::geteuid())},
          {"load_from_directory", entries}}}}},
      {"fs_version", "5"},
      {"compressor", options.compressor_name}};
  return json.dump(2) + "\n";
}

result<void> create(const create_options& options) {
  const auto begin = std::chrono::steady_clock::now();
  const auto chunk_size = parse_chunk_size(options.chunk_size);
  if (!chunk_size)
    return chunk_size.error();
  const scan_options scan{options.whiteouts == "oci"         ? whiteout_spec::oci
                          : options.whiteouts == "overlayfs" ? whiteout_spec::overlayfs
                                                             : whiteout_spec::none,
                          options.is_repeatable, *chunk_size};
  dump_options dump;
  dump.compression = options.compressor_name == "none"        ? compressor::none
                     : options.compressor_name == "lz4_block" ? compressor::lz4_block
                                                              : compressor::zstd;
  dump.digests = options.digester_name == "sha256" ? digester::sha256 : digester::blake3;
  dump.chunk_size = *chunk_size;
  dump.is_aligned = options.is_aligned;
  dump.threads = std::max(1u, std::thread::hardware_concurrency());

  const auto patterns =
      options.prefetch_policy == "none" ? std::vector<std::string>{} : read_prefetch_patterns(std::cin);
  auto root = scan_directory(options.source, scan);
  if (!root)
    return root.error();
  const auto scan_seconds = seconds_since(begin);
  bootstrap_contents contents;
  contents.root = root->get();
  const auto order = number_tree(**root, contents.inode_count);
  contents.order = order;
  auto prefetch = choose_prefetch(patterns, **root);
  if (options.prefetch_policy == "fs")
    contents.prefetch = prefetch.targets;

  auto to_dump = prefetch.files;
  const std::unordered_set<const file_node*> is_first(to_dump.begin(), to_dump.end());
  for (auto* node : order)
    if (is_first.count(node) == 0)
      to_dump.push_back(node);
  auto output = blob_output::open(options);
  if (!output)
    return output.error();
  auto blob = dump_files(to_dump, dump, (*output)->fd());
  if (!blob)
    return blob.error();
  if (!blob->id.empty() && !options.blob_id.empty())
    blob->id = options.blob_id;
  digest_directories(**root, dump.digests);
  contents.blob = *blob;

  std::ostringstream bytes;
  if (auto written = write_bootstrap_v5(contents, dump, !options.is_repeatable, bytes); !written)
    return written;
  const auto text = std::move(bytes).str();
  auto bootstrap = options.bootstrap;
  if (bootstrap.empty())
    bootstrap = options.blob_dir + "/" + to_hex(digest_of(digester::sha256, std::as_bytes(std::span{text})));
  if (auto placed = (*output)->put_in_place(blob->id); !placed)
    return placed;
  if (auto written = write_file(bootstrap, text); !written)
    return written;
  if (!options.output_json.empty())
    if (auto written = write_file(options.output_json, report(options, *blob, bootstrap, order.size(),
                                                              scan_seconds, seconds_since(begin)));
        !written)
      return written;
  if (options.log_level != "error" && options.log_level != "warn")
    std::cerr << "built " << bootstrap << ": " << order.size() << " entries, "
              << (blob->id.empty() ? "no blob" : "blob " + blob->id) << ", " << blob->compressed_size
              << " bytes in " << blob->chunk_count << " chunks\n";
  return {};
}

/// Walks an image and verifies each inode's digest.
result<void> verify_below(const image& contents, inode_number directory, std::uint64_t& inodes) {
  std::vector<inode_attributes> children;
  auto listed = contents.list(directory, 0, [&](const directory_entry& entry) {
    children.push_back(entry.attributes);
    return true;
  });
  if (!listed)
    return listed;
  for (const auto& child : children) {
    ++inodes;
    if (auto verified = contents.verify(child.number); !verified)
      return verified;
    std::vector<chunk_slice> slices;
    if ((child.mode & 0170000) == 0100000)
      if (auto cut = contents.slices(child.number, 0, child.size, slices); !cut)
        return cut;
    if ((child.mode & 0170000) == 0040000)
      if (auto below = verify_below(contents, child.number, inodes); !below)
        return below;
  }
  return {};
}

result<void> check(const std::string& bootstrap) {
  const auto opened = open_image(bootstrap);
  if (!opened)
    return opened.error();
  const auto& contents = **opened;
  const auto root = contents.description().root;
  if (auto verified = contents.verify(root); !verified)
    return verified;
  std::uint64_t inodes = 1;
  if (auto verified = verify_below(contents, root, inodes); !verified)
    return verified;
  std::cout << "RAFS filesystem metadata is valid, referenced data blobs: \n";
  for (std::size_t i = 0; i < contents.blobs().size(); ++i) {
    const auto& one = contents.blobs()[i];
    std::cout << "\t " << i << ": " << one.id << ", compressed size " << one.compressed_size
              << ", uncompressed size " << one.uncompressed_size << ", chunk size: " << one.chunk_size
              << ", chunk count: " << one.chunk_count << ", features: "
              << ((one.features & rafs_v5::blob_feature::cap_tar_toc) != 0 ? "cap_toc" : "none") << '\n';
  }
  return {};
}

void add_create_options(CLI::App& create, create_options& options) {
  create.add_option("SOURCE", options.source, "Directory to build the image from")->required();
  create.add_option("-t,--type,--source-type", options.type, "Kind of source")
      ->check(CLI::IsMember({"dir-rafs", "directory"}))
      ->capture_default_str();
  create.add_option("-B,--bootstrap", options.bootstrap,
                    "File to write the metadata to; with --blob-dir it may be left out");
  create.add_option("-b,--blob", options.blob, "File or fifo to write the data blob to");
  create.add_option("-D,--blob-dir", options.blob_dir,
                    "Directory to write the data blob to, named by its digest");
  create.add_option("--blob-id", options.blob_id, "Name of the blob in the image, in place of its digest");
  create
      .add_option("-s,--chunk-size", options.chunk_size,
                  "Bytes per chunk: a power of two from 0x1000 to 0x1000000")
      ->capture_default_str();
  create.add_option("-c,--compressor", options.compressor_name, "Compressor of chunks")
      ->check(CLI::IsMember({"none", "lz4_block", "zstd"}))
      ->capture_default_str();
  create.add_option("-g,--digester", options.digester_name, "Digest of chunks and inodes")
      ->check(CLI::IsMember({"blake3", "sha256"}))
      ->capture_default_str();
  create.add_option("-v,--fs-version", options.fs_version, "Version of the RAFS format; this build writes 5")
      ->capture_default_str();
  create.add_flag("-A,--aligned-chunk", options.is_aligned, "Start chunks at multiples of 4096 in the cache");
  create.add_flag("-R,--repeatable", options.is_repeatable,
                  "Leave owners out, so that equal trees give equal images");
  create.add_option("-w,--whiteout-spec", options.whiteouts, "How the source marks removed files")
      ->check(CLI::IsMember({"oci", "overlayfs", "none"}))
      ->capture_default_str();
  create
      .add_option("-p,--prefetch-policy", options.prefetch_policy,
                  "Put the files that standard input names first")
      ->check(CLI::IsMember({"fs", "none"}))
      ->capture_default_str();
  create.add_option("-J,--output-json", options.output_json, "File to write a report of the build to");
  create.add_option("-l,--log-level", options.log_level, "trace, debug, info, warn or error")
      ->capture_default_str();
  create.add_flag("--disable-check", options.skips_check,
                  "Accepted; this build does not check after writing");
}

int run(int argc, char** argv) {
  create_options options;
  std::string checked, check_log_level;
  bool wants_version = false, is_verbose = false;
  CLI::App app{"nydus-image builds and checks Nydus (RAFS v5) images.", "nydus-image"};
  app.add_flag("-V,--version", wants_version, "Print the version and exit");
  auto* creating = app.add_subcommand("create", "Build an image from a directory");
  add_create_options(*creating, options);
  auto* checking = app.add_subcommand("check", "Check an image's metadata");
  checking->add_option("-B,--bootstrap", checked, "Metadata file to check")->required();
  checking->add_flag("-v,--verbose", is_verbose, "Accepted");
  checking->add_option("-l,--log-level", check_log_level, "Accepted");
  const auto usage = [](const std::string& why) {
    std::cerr << "error: " << why
              << "\nRun 'nydus-image --help' or 'nydus-image create --help' for all options.\n";
    return 2;
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << (creating->parsed() ? creating : checking->parsed() ? checking : &app)->help();
    return 0;
  } catch (const CLI::ParseError& why) {
    return usage(why.what());
  }
  if (wants_version) {
    std::cout << "nydus-image \rVersion: \t" NYDUS_VERSION "\nGit Commit: \t" NYDUS_GIT_COMMIT "\n";
    return 0;
  }
  result<void> outcome;
  if (creating->parsed()) {
    if (options.fs_version != "5")
      return usage("--fs-version is '" + options.fs_version + "'; this build writes RAFS v5 only");
    if (options.blob.empty() == options.blob_dir.empty())
      return usage("one of --blob and --blob-dir is required");
    if (options.bootstrap.empty() && options.blob_dir.empty())
      return usage("--bootstrap is required with --blob");
    outcome = create(options);
  } else if (checking->parsed()) {
    outcome = check(checked);
  } else {
    return usage("a subcommand is required: create or check");
  }
  if (!outcome)
    std::cerr << "Error: " << outcome.error().detail << '\n';
  return outcome ? 0 : 1;
}

} // namespace

} // namespace nydus

int main(int argc, char** argv) {
  return nydus::run(argc, argv);
}
