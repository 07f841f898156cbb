// SPDX-License-Identifier: Apache-2.0
#include "builder/command_line.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <iostream>
#include <map>

#include <CLI/CLI.hpp>

#include "builder/readable_text.hpp"
#include "builder/version.hpp"

namespace nydus::builder {

namespace {

constexpr unsigned most_threads = 8;         // more only wait for the one that writes
constexpr std::size_t longest_blob_id = 200; // names files with suffixes

const std::map<std::string, log_level> levels{{"trace", log_level::trace},
                                              {"debug", log_level::debug},
                                              {"info", log_level::info},
                                              {"warn", log_level::warn},
                                              {"error", log_level::error}};
const std::map<std::string, compressor> compressors{
    {"none", compressor::none}, {"lz4_block", compressor::lz4_block}, {"zstd", compressor::zstd}};
const std::map<std::string, digester> digesters{{"blake3", digester::blake3}, {"sha256", digester::sha256}};
const std::map<std::string, whiteout_spec> whiteout_specs{
    {"oci", whiteout_spec::oci}, {"overlayfs", whiteout_spec::overlayfs}, {"none", whiteout_spec::none}};
const std::map<std::string, prefetch_policy> policies{
    {"fs", prefetch_policy::fs}, {"blob", prefetch_policy::blob}, {"none", prefetch_policy::none}};

/// Decimal, or hexadecimal after 0x; all of the text.
bool parse_number(std::string_view text, std::uint64_t& number) {
  const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
  if (is_hex)
    text.remove_prefix(2);
  const auto* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number, is_hex ? 16 : 10);
  return !text.empty() && parsed.ec == std::errc{} && parsed.ptr == end;
}

/// Answers as CLI11 wants it: empty if good.
std::string check_chunk_size(const std::string& text) {
  std::uint64_t size = 0;
  if (parse_number(text, size) && std::has_single_bit(size) && size >= rafs_v5::minimum_chunk_size &&
      size <= rafs_v5::maximum_chunk_size)
    return {};
  return text + " is no power of two from 0x1000 to 0x1000000";
}

std::string check_number(const std::string& text) {
  std::uint64_t number = 0;
  return parse_number(text, number) ? std::string{} : text + " is no number";
}

std::string check_format(const std::string& text) {
  return text == "5" || text == "6" ? std::string{}
                                    : "this build writes RAFS v5 and v6; \"" + text + "\" was asked for";
}

std::string check_source_type(const std::string& text) {
  return text == "dir-rafs" || text == "directory"
             ? std::string{}
             : "this build converts directories only (dir-rafs, directory); \"" + text + "\" was asked for";
}

std::string check_blob_id(const std::string& text) {
  const bool is_file_name =
      !text.empty() && text.size() <= longest_blob_id && text != "." && text != ".." &&
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != '/'; });
  return is_file_name ? std::string{} : "\"" + text + "\" cannot name a blob: it has to be a plain file name";
}

std::string check_dictionary(const std::string& text) {
  const auto equals = text.find('=');
  return equals == std::string::npos || text.starts_with("bootstrap=")
             ? std::string{}
             : "\"" + text + "\": a dictionary is given as [bootstrap=]FILE";
}

/// Options of the public builder that have no meaning here say so instead of being unknown.
void add_refused(CLI::App& app, const std::string& name, bool is_flag, const std::string& why) {
  const auto refuse = [name, why] { throw CLI::ValidationError(name, why); };
  auto* option = is_flag
                     ? app.add_flag_callback(name, refuse)
                     : app.add_option_function<std::string>(name, [refuse](const std::string&) { refuse(); });
  option->group(""); // not in the help
}

template <class Value>
CLI::Option* add_choice(CLI::App& app, const std::string& names, Value& value,
                        const std::map<std::string, Value>& choices, const std::string& help) {
  std::string words;
  std::string standard;
  for (const auto& [word, choice] : choices) {
    words += (words.empty() ? "" : ", ") + word;
    if (choice == value)
      standard = word;
  }
  return app
      .add_option_function<std::string>(
          names, [&value, &choices](const std::string& word) { value = choices.at(word); },
          help + " [" + words + "]")
      ->check([&choices, words](const std::string& word) {
        return choices.contains(word) ? std::string{} : "\"" + word + "\" is none of " + words;
      })
      ->type_name("WORD")
      ->default_str(standard);
}

CLI::Option* add_checked(CLI::App& app, const std::string& names, std::string& value,
                         std::string (*check)(const std::string&), const std::string& type,
                         const std::string& help) {
  return app.add_option(names, value, help)->check(check)->type_name(type);
}

unsigned usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const auto count = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return std::clamp(static_cast<unsigned>(count), 1u, most_threads);
}

/// Options as they are written, before they become settings.
struct raw_options {
  std::string type = "dir-rafs";
  std::string chunk_size = "0x100000";
  std::string blob_offset = "0";
  std::string format = "6";
  std::string dictionary;
  std::string unused;
  bool is_unused = false;
};

void refuse_batches(const std::string& size) {
  std::uint64_t number = 0;
  if (!parse_number(size, number) || number != 0)
    throw CLI::ValidationError("--batch-size",
                               "this build makes no batches of chunks; only 0 can be asked for");
}

void add_create(CLI::App& app, build_settings& settings, raw_options& raw) {
  app.add_option("SOURCE", settings.source, "Directory to make the image of")->required()->type_name("DIR");
  auto* bootstrap =
      app.add_option("-B,--bootstrap", settings.bootstrap,
                     "Where to write the metadata; in --blob-dir, named by its SHA-256, if absent");
  auto* blob = app.add_option("-b,--blob", settings.blob, "Where to write the data; may be a fifo");
  auto* directory = app.add_option(
      "-D,--blob-dir", settings.blob_directory,
      "Existing directory for the data, named by its blob id, and for metadata without --bootstrap");
  add_checked(app, "-t,--type,--source-type", raw.type, check_source_type, "WORD",
              "What the source is [dir-rafs, directory]")
      ->capture_default_str();
  add_choice(app, "--compressor", settings.compression, compressors, "How chunks are compressed");
  add_choice(app, "--digester", settings.digests, digesters, "How chunks and inodes are digested");
  add_checked(app, "--chunk-size", raw.chunk_size, check_chunk_size, "SIZE",
              "Size of chunks in bytes, a power of two from 0x1000 to 0x1000000")
      ->capture_default_str();
  add_checked(app, "-v,--fs-version", raw.format, check_format, "VERSION", "Format of the metadata [5, 6]")
      ->capture_default_str();
  app.add_flag("--aligned-chunk", settings.has_aligned_chunks,
               "Begin each chunk at a multiple of 4 KiB in the daemon's cache file, as RAFS v6 always does");
  app.add_flag("--repeatable", settings.is_repeatable,
               "Leave owners out, so that all users build the same image");
  add_choice(app, "--whiteout-spec", settings.whiteouts, whiteout_specs,
             "How the source says that files of the layer below are gone");
  add_choice(
      app, "--prefetch-policy", settings.prefetch, policies,
      "Put the files whose absolute paths are on stdin, one per line, at the head of the data; fs: and "
      "list them in the metadata");
  app.add_option("--parent-bootstrap", settings.parent_bootstrap, "Metadata of the layers below")
      ->type_name("FILE");
  add_checked(app, "--chunk-dict", raw.dictionary, check_dictionary, "[bootstrap=]FILE",
              "Metadata of an image whose chunks are referred to instead of stored again");
  auto* inlined = app.add_flag("--blob-inline-meta,--inline-bootstrap", settings.has_inlined_bootstrap,
                               "Write the metadata into the data's file, behind it");
  auto* id = add_checked(app, "--blob-id", settings.blob_id, check_blob_id, "ID",
                         "Name of the data blob; its SHA-256 if absent");
  add_checked(app, "--blob-offset", raw.blob_offset, check_number, "BYTES",
              "Add this to all offsets, where the data will lie inside another file")
      ->capture_default_str();
  app.add_option("-J,--output-json", settings.output_json, "Where to write a report as JSON")
      ->type_name("FILE");
  app.add_flag("--disable-check", raw.is_unused)->group(""); // what it turns off is never done
  app.add_option("-C,--config", raw.unused)->group("");      // no backend is needed
  app.add_option_function<std::string>("--batch-size", refuse_batches)->group("");
  add_refused(app, "--features", false,
              "blob-toc is a table of contents, which this build does not write; there is no other");
  add_refused(app, "--encrypt,-E", true, "this build encrypts no chunks");
  add_refused(app, "--external-blob", false, "this build has no external blobs");
  add_refused(app, "--attributes", false, "this build has no external blobs");
  add_refused(app, "--blob-cache-dir", false, "this build writes no cache files; nydusd does");
  add_refused(app, "--blob-data-size", false,
              "it belongs to stargz indexes, which this build does not convert");
  bootstrap->type_name("FILE");
  blob->type_name("FILE");
  directory->type_name("DIR");
  inlined->excludes(bootstrap)->excludes(id);
}

/// What CLI11 cannot say; empty if the request is complete.
std::string complete(build_settings& settings, const raw_options& raw) {
  std::uint64_t number = 0;
  if (parse_number(raw.chunk_size, number))
    settings.chunk_size = static_cast<std::uint32_t>(number);
  if (parse_number(raw.blob_offset, number))
    settings.blob_offset = number;
  settings.format_version = raw.format == "6" ? 6 : 5;
  settings.chunk_dictionary =
      raw.dictionary.starts_with("bootstrap=") ? raw.dictionary.substr(10) : raw.dictionary;
  while (settings.source.size() > 1 && settings.source.ends_with('/'))
    settings.source.pop_back();
  if (settings.blob.empty() && settings.blob_directory.empty())
    return "--blob or --blob-dir is needed: where shall the data go?";
  if (settings.bootstrap.empty() && settings.blob_directory.empty() && !settings.has_inlined_bootstrap)
    return "--bootstrap, --blob-dir or --blob-inline-meta is needed: where shall the metadata go?";
  settings.thread_count = usable_processors();
  settings.shows_progress = ::isatty(STDERR_FILENO) == 1;
  return {};
}

} // namespace

command_line parse_command_line(int argc, const char* const* argv) {
  command_line line;
  build_settings settings;
  raw_options raw;
  check_request checked;
  CLI::App app{"Makes and checks RAFS images, which nydusd mounts.", "nydus-image"};
  app.set_version_flag("-V,--version", version_text());
  app.require_subcommand(1);
  add_choice(app, "-l,--log-level", line.level, levels, "What is worth a line");
  app.add_option("-L,--log-file", line.log_file, "Append log lines to this file instead of stderr")
      ->type_name("FILE");

  auto* create = app.add_subcommand("create", "Makes an image of a directory")->fallthrough();
  add_create(*create, settings, raw);
  auto* check = app.add_subcommand("check", "Reads all metadata of an image and verifies it")->fallthrough();
  std::string named;
  check->add_option("BOOTSTRAP", checked.bootstrap, "Metadata, or a blob that holds it")->type_name("FILE");
  check->add_option("-B,--bootstrap", named, "The same")->type_name("FILE");
  check->add_option("-D,--blob-dir", checked.blob_directory, "Directory whose blobs are to be long enough")
      ->type_name("DIR");
  check->add_option("-C,--config", raw.unused)->group("");
  check->add_flag("-v,--verbose", checked.is_verbose, "Show every inode and chunk");
  check->add_option("-J,--output-json", checked.output_json, "Where to write a report as JSON")
      ->type_name("FILE");

  const auto refuse = [&](const std::string& why) {
    const std::string command = *create ? " create" : *check ? " check" : "";
    std::cerr << "error: " << readable(why) << "\n'nydus-image" << command
              << " --help' shows what there is.\n";
    line.request = exit_request{exit_usage};
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& stopped) {
    if (stopped.get_exit_code() == 0)
      line.request = exit_request{app.exit(stopped)};
    else
      refuse(stopped.what());
    return line;
  }
  if (*create) {
    if (const auto missing = complete(settings, raw); !missing.empty())
      refuse(missing);
    else
      line.request = settings;
  } else if (checked.bootstrap.empty() == named.empty()) {
    refuse(named.empty() ? "which image? nydus-image check BOOTSTRAP" : "the image is named twice");
  } else {
    checked.bootstrap += named;
    line.request = checked;
  }
  return line;
}

} // namespace nydus::builder
