// SPDX-License-Identifier: Apache-2.0
// nydus-image: makes images of directories and checks images. Exit code 0: done; 1: failed; 2: asked wrongly.
#include <cstdio>
#include <iostream>

#include "builder/build_log.hpp"
#include "builder/build_report.hpp"
#include "builder/command_line.hpp"
#include "builder/image_builder.hpp"
#include "builder/image_check.hpp"
#include "builder/interruption.hpp"

namespace nydus::builder {

namespace {

result<void> run(const build_settings& settings) {
  prefetch_patterns patterns;
  if (settings.prefetch != prefetch_policy::none)
    patterns.read(std::cin);
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
  log_info("RAFS v5 super block features: " + describe_flags(**checked));
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
  const auto text = std::string{step} + ": " + outcome.error().detail;
  if (has_log_file)
    log_error(text);
  std::fprintf(stderr, "nydus-image: %s\n", text.c_str());
  return exit_failure;
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
