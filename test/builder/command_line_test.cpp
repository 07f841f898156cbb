// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <iostream>
#include <sstream>
#include <vector>

#include "builder/command_line.hpp"

using namespace nydus;
using namespace nydus::builder;

namespace {

struct parsed {
  command_line line;
  std::string said; // on stdout and stderr
};

parsed parse(std::vector<const char*> words) {
  words.insert(words.begin(), "nydus-image");
  std::ostringstream said;
  auto* const out = std::cout.rdbuf(said.rdbuf());
  auto* const errors = std::cerr.rdbuf(said.rdbuf());
  auto line = parse_command_line(static_cast<int>(words.size()), words.data());
  std::cout.rdbuf(out);
  std::cerr.rdbuf(errors);
  return {std::move(line), said.str()};
}

build_settings settings_of(std::vector<const char*> words) {
  words.insert(words.begin(), "create");
  const auto made = parse(words);
  REQUIRE_MESSAGE(std::holds_alternative<build_settings>(made.line.request), made.said);
  return std::get<build_settings>(made.line.request);
}

/// What was said; the call has to be refused with 2.
std::string refusal_of(const std::vector<const char*>& words) {
  const auto made = parse(words);
  REQUIRE(std::holds_alternative<exit_request>(made.line.request));
  CHECK(std::get<exit_request>(made.line.request).code == 2);
  return made.said;
}

bool has(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

} // namespace

TEST_SUITE_BEGIN("builder/command_line");

TEST_CASE("without options an image is what the public builder makes of RAFS v5") {
  const auto settings = settings_of({"-D", "blobs", "/source/"});
  CHECK(settings.source == "/source");
  CHECK(settings.blob_directory == "blobs");
  CHECK(settings.bootstrap.empty());
  CHECK(settings.chunk_size == 0x100000);
  CHECK(settings.format_version == 6);
  CHECK(settings.compression == compressor::zstd);
  CHECK(settings.digests == digester::blake3);
  CHECK(settings.whiteouts == whiteout_spec::oci);
  CHECK(settings.prefetch == prefetch_policy::none);
  CHECK_FALSE(settings.has_aligned_chunks);
  CHECK_FALSE(settings.is_repeatable);
  CHECK_FALSE(settings.has_inlined_bootstrap);
}

TEST_CASE("every option reaches the build") {
  const auto settings = settings_of({"-t",
                                     "directory",
                                     "--fs-version",
                                     "5",
                                     "--bootstrap",
                                     "boot",
                                     "--blob",
                                     "blob",
                                     "--compressor",
                                     "lz4_block",
                                     "--digester",
                                     "sha256",
                                     "--chunk-size",
                                     "0x1000",
                                     "--aligned-chunk",
                                     "--repeatable",
                                     "--whiteout-spec",
                                     "overlayfs",
                                     "--prefetch-policy",
                                     "fs",
                                     "--parent-bootstrap",
                                     "parent",
                                     "--chunk-dict",
                                     "bootstrap=dict",
                                     "--blob-id",
                                     "id",
                                     "--blob-offset",
                                     "512",
                                     "--output-json",
                                     "json",
                                     "--batch-size",
                                     "0",
                                     "/"});
  CHECK(settings.source == "/");
  CHECK(settings.bootstrap == "boot");
  CHECK(settings.blob == "blob");
  CHECK(settings.compression == compressor::lz4_block);
  CHECK(settings.digests == digester::sha256);
  CHECK(settings.chunk_size == 4096);
  CHECK(settings.has_aligned_chunks);
  CHECK(settings.is_repeatable);
  CHECK(settings.whiteouts == whiteout_spec::overlayfs);
  CHECK(settings.prefetch == prefetch_policy::fs);
  CHECK(settings.parent_bootstrap == "parent");
  CHECK(settings.chunk_dictionary == "dict");
  CHECK(settings.blob_id == "id");
  CHECK(settings.blob_offset == 512);
  CHECK(settings.output_json == "json");
  CHECK(settings_of({"-b", "fifo", "--inline-bootstrap", "--source-type", "directory", "x"})
            .has_inlined_bootstrap);
}

TEST_CASE("global options may stand before and after the subcommand") {
  CHECK(parse({"--log-level", "warn", "create", "-D", "d", "s"}).line.level == log_level::warn);
  CHECK(parse({"create", "-D", "d", "--log-level", "warn", "--log-file", "f", "s"}).line.log_file == "f");
  CHECK(parse({"check", "-l", "error", "boot"}).line.level == log_level::error);
}

TEST_CASE("an image to check is named with or without option") {
  for (const auto& words :
       std::vector<std::vector<const char*>>{{"check", "boot", "-v"}, {"check", "-B", "boot", "-v"}}) {
    const auto made = parse(words);
    REQUIRE(std::holds_alternative<check_request>(made.line.request));
    const auto& request = std::get<check_request>(made.line.request);
    CHECK(request.bootstrap == "boot");
    CHECK(request.is_verbose);
  }
  const auto made = parse({"check", "--bootstrap", "boot", "--blob-dir", "blobs", "-J", "out"});
  CHECK(std::get<check_request>(made.line.request).blob_directory == "blobs");
  CHECK(std::get<check_request>(made.line.request).output_json == "out");
  CHECK(has(refusal_of({"check"}), "which image?"));
  CHECK(has(refusal_of({"check", "-B", "one", "two"}), "twice"));
}

TEST_CASE("a wrong value is refused with the option, the value and what would be right") {
  struct wrong {
    std::vector<const char*> option;
    const char* word;
  };
  const std::vector<wrong> all{
      {{"--chunk-size", "5"}, "--chunk-size: 5 is no power of two from 0x1000 to 0x1000000"},
      {{"--chunk-size", "0x1001"}, "0x1001 is no power of two"},
      {{"--chunk-size", "0x800"}, "no power of two from"},
      {{"--chunk-size", "0x2000000"}, "no power of two from"},
      {{"--chunk-size", "-4096"}, "no power of two from"},
      {{"--chunk-size", "0x"}, "no power of two from"},
      {{"--chunk-size", ""}, "no power of two from"},
      {{"--compressor", "gzip"}, "--compressor: \"gzip\" is none of lz4_block, none, zstd"},
      {{"--digester", "md5"}, "none of blake3, sha256"},
      {{"--whiteout-spec", "aufs"}, "none of none, oci, overlayfs"},
      {{"--prefetch-policy", "all"}, "none of blob, fs, none"},
      {{"--fs-version", "7"}, "--fs-version: this build writes RAFS v5 and v6"},
      {{"--type", "tar-rafs"}, "converts directories only"},
      {{"--blob-id", "../up"}, "plain file name"},
      {{"--blob-offset", "x"}, "x is no number"},
      {{"--chunk-dict", "db=x"}, "[bootstrap=]FILE"},
      {{"--log-level", "loud"}, "none of debug, error, info, trace, warn"},
      {{"--batch-size", "0x1000"}, "--batch-size: this build makes no batches"},
      {{"--encrypt"}, "--encrypt"},
      {{"--features", "blob-toc"}, "--features: blob-toc"},
      {{"--blob-cache-dir", "x"}, "--blob-cache-dir: "},
      {{"--attributes", "x"}, "--attributes: "},
      {{"--no-such"}, "--no-such"},
  };
  for (const auto& [option, word] : all) {
    std::vector<const char*> words{"create", "-D", "d", "source"};
    words.insert(words.end(), option.begin(), option.end());
    const auto said = refusal_of(words);
    CHECK_MESSAGE(has(said, word), said);
    CHECK_MESSAGE(has(said, "'nydus-image create --help'"), said);
    CHECK_MESSAGE(!has(said, "error: :"), said);
  }
}

TEST_CASE("a call that does not say where things go is refused") {
  CHECK(has(refusal_of({"create", "source"}), "--blob or --blob-dir"));
  CHECK(has(refusal_of({"create", "-b", "blob", "source"}), "--bootstrap"));
  CHECK(has(refusal_of({"create", "-D", "d"}), "SOURCE"));
  CHECK(has(refusal_of({"create", "-D", "d", "--blob-inline-meta", "-B", "boot", "s"}), "--bootstrap"));
  CHECK(has(refusal_of({"create", "-D", "d", "--blob-inline-meta", "--blob-id", "i", "s"}), "--blob-id"));
  CHECK(has(refusal_of({}), "subcommand"));
}

TEST_CASE("hostile words reach the terminal as text") {
  const auto said = refusal_of({"create", "-D", "d", "--compressor", "\x1b[2J", "s"});
  CHECK(!has(said, "\x1b"));
  CHECK(has(said, "\\x1b[2J"));
}

TEST_CASE("help and version end with 0, and help names every option") {
  for (const auto& words :
       std::vector<std::vector<const char*>>{{"--help"}, {"create", "-h"}, {"check", "--help"}, {"-V"}}) {
    const auto made = parse(words);
    REQUIRE(std::holds_alternative<exit_request>(made.line.request));
    CHECK(std::get<exit_request>(made.line.request).code == 0);
  }
  const auto create = parse({"create", "--help"}).said;
  for (const char* option : {"--bootstrap", "--blob", "--blob-dir", "--type", "--compressor", "--digester",
                             "--chunk-size", "--fs-version", "--aligned-chunk", "--repeatable",
                             "--whiteout-spec", "--prefetch-policy", "--parent-bootstrap", "--chunk-dict",
                             "--blob-inline-meta", "--blob-id", "--blob-offset", "--output-json"})
    CHECK_MESSAGE(has(create, option), option);
  CHECK(has(parse({"--version"}).said, "Git Commit: \t"));
}
