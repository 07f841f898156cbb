// SPDX-License-Identifier: Apache-2.0
// nydus-image: makes images of directories and checks images. Exit code 0: done; 1: failed; 2: asked wrongly;
// 128 + number: stopped by that signal.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <sstream>

#include "builder/build_log.hpp"
#include "builder/build_report.hpp"
#include "builder/command_line.hpp"
#include "builder/image_builder.hpp"
#include "builder/image_check.hpp"
#include "builder/interruption.hpp"
#include "builder/readable_text.hpp"

namespace nydus::builder {

namespace {

result<void> run(const build_settings& settings) {
  prefetch_patterns patterns;
  if (settings.prefetch != prefetch_policy::none) {
    if (::isatty(STDIN_FILENO) == 1)
      log_info("reading paths to prefetch from the terminal, one per line; Ctrl-D ends them");
    auto lines = read_standard_input();
    if (!lines)
      return std::move(lines).error();
    std::istringstream stream{std::move(*lines)};
    patterns.read(stream);
  }
  const auto built = build_image(settings, patterns);
  if (!built)
    return built.error();
  log_info(summary(*built));
  if (settings.output_json.empty())
    return {};
  return save_report({built->bootstrap_path, built->blob_ids, to_string(settings.compression), &*built},
                     settings.output_json);
}

result<void> run(const check_request& request) {
  std::function<void(const std::string&)> show;
  if (request.is_verbose)
    show = [](const std::string& line) { std::cout << line << '\n'; };
  const auto checked = check_image(request.bootstrap, show);
  if (!checked)
    return checked.error();
  if (!request.blob_directory.empty())
    if (auto found = check_blobs(**checked, request.blob_directory); !found)
      return found;
  log_info("RAFS v" + std::to_string((*checked)->description().format_version) +
           " super block features: " + describe_flags(**checked));
  std::cout << describe_blobs(**checked) << std::flush;
  if (request.output_json.empty())
    return {};
  build_report report{request.bootstrap, {}, to_string((*checked)->description().compression), nullptr};
  for (const auto& blob : (*checked)->blobs())
    report.blobs.push_back(blob.id);
  return save_report(report, request.output_json);
}

int finish(const char* step, const result<void>& outcome, bool has_log_file) {
  if (outcome)
    return 0;
  // A signal shows as whatever call it broke off.
  const auto stopped = check_interruption();
  const auto text = std::string{step} + ": " + (stopped ? outcome.error().detail : stopped.error().detail);
  if (has_log_file)
    log_error(text);
  std::fprintf(stderr, "nydus-image: %s\n", readable(text).c_str());
  return stopped ? exit_failure : exit_signal + received_signal();
}

} // namespace

} // namespace nydus::builder

int main(int argc, char** argv) {
  using namespace nydus::builder;
  std::ios::sync_with_stdio(false);
  const auto line = parse_command_line(argc, argv);
  if (const auto* done = std::get_if<exit_request>(&line.request))
    return done->code;
  catch_signals();
  const bool has_log_file = !line.log_file.empty();
  if (const auto started = start_log(line.level, line.log_file); !started)
    return finish("log", started, false);
  if (const auto* settings = std::get_if<build_settings>(&line.request))
    return finish("create", run(*settings), has_log_file);
  return finish("check", run(std::get<check_request>(line.request)), has_log_file);
}
