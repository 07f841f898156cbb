// SPDX-License-Identifier: Apache-2.0
#include "builder/build_report.hpp"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "builder/output_file.hpp"
#include "builder/version.hpp"

namespace nydus::builder {

namespace {

using nlohmann::ordered_json;

ordered_json trace_of(const built_image& built) {
  const auto& times = built.times;
  return {
      {"consumed_time",
       {{"build_bootstrap", times.build_bootstrap},
        {"build_tree", times.load_from_directory},
        {"dump_blob", times.dump_blob},
        {"dump_bootstrap", times.dump_bootstrap},
        {"load_from_directory", times.load_from_directory},
        {"total_build", times.total_build}}},
      {"registered_events",
       {{"blob_uncompressed_size", built.uncompressed_size},
        {"dedup_chunks", built.duplicate_count},
        {"dedup_uncompressed_size", built.duplicate_size},
        {"egid", std::to_string(::getegid())},
        {"euid", std::to_string(::geteuid())},
        {"load_from_directory", built.entry_count}}},
  };
}

std::string in_mebibytes(std::uint64_t size) {
  const auto tenths = (size * 10 + (1 << 19)) >> 20;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MiB";
}

} // namespace

std::string to_json(const build_report& report) {
  const ordered_json json{
      {"version", version()},
      {"bootstrap", report.bootstrap},
      {"blobs", report.blobs},
      {"external_bootstrap", ""}, // this builder makes none
      {"external_blobs", ordered_json::array()},
      {"trace", report.built == nullptr ? ordered_json::object() : trace_of(*report.built)},
      {"fs_version", "5"},
      {"compressor", report.compressor_name},
  };
  // Paths are bytes; JSON is UTF-8: what is none is replaced.
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace);
}

result<void> save_report(const build_report& report, const std::string& path) {
  auto file = output_file::at(path);
  if (!file)
    return std::move(file).error();
  const auto text = to_json(report);
  if (auto written = file->write(std::as_bytes(std::span{text})); !written)
    return written;
  if (auto published = file->publish(); !published)
    return std::move(published).error();
  return {};
}

std::string summary(const built_image& built) {
  const auto seconds = std::to_string(built.times.total_build);
  auto text = "built " + std::to_string(built.entry_count + 1) + " inodes, " +
              in_mebibytes(built.uncompressed_size) + " of data and " + in_mebibytes(built.duplicate_size) +
              " of duplicates, in " + seconds.substr(0, seconds.find('.') + 3) + " s";
  if (!built.bootstrap_path.empty())
    text += "; bootstrap " + built.bootstrap_path + ", " + std::to_string(built.bootstrap_size) + " bytes";
  if (!built.blob_path.empty())
    text += "; blob " + built.blob_path + ", " + std::to_string(built.blob_size) + " bytes";
  return text;
}

} // namespace nydus::builder
