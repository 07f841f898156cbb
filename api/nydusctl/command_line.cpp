// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/command_line.hpp"

#include <CLI/CLI.hpp>

#include "api/version.hpp"

namespace nydus::ctl {

namespace {

constexpr auto after_help = "Exit status: 0 done, 1 the daemon refused or cannot be reached, 2 wrong usage.\n"
                            "Example: nydusctl --sock /run/nydusd/api.sock metrics fsstats --mount /a";

/// All subcommands, each filling a struct of its own.
struct all_commands {
  explicit all_commands(CLI::App& app) {
    info = app.add_subcommand("info", "Show version, state and mounts of the daemon");

    set = app.add_subcommand("set", "Change a setting of the running daemon");
    set->add_option("KIND", kind, "What to set: log-level")->required()->check(CLI::IsMember({"log-level"}));
    set->add_option("VALUE", level.level, "log-level: trace, debug, info, warn or error")->required();

    metrics = app.add_subcommand("metrics", "Show counters of a mount");
    metrics->add_option("CATEGORY", category, "backend, cache or fsstats")
        ->required()
        ->check(CLI::IsMember({"backend", "cache", "fsstats"}));
    metrics
        ->add_option("-I,--interval", metrics_of.interval,
                     "Repeat each so many seconds, as rates since before")
        ->check(CLI::Range(1U, 86400U));
    metrics->add_option("-m,--mount", metrics_of.mount, "Mountpoint; needed if there are several");

    mount = app.add_subcommand("mount", "Mount an image");
    mount->add_option("-s,--source", mounted.source, "Bootstrap of the image")->required();
    mount->add_option("-c,--config", mounted.config, "File with the mount's configuration")->required();
    mount->add_option("-m,--mountpoint", mounted.mountpoint, "Where in the daemon's tree it appears")
        ->required();
    mount->add_option("-t,--type", mounted.type, "rafs or passthrough_fs")
        ->required()
        ->check(CLI::IsMember({"rafs", "passthrough_fs"}));

    umount = app.add_subcommand("umount", "Unmount an image");
    umount->add_option("-m,--mountpoint", unmounted.mountpoint, "Where it was mounted")->required();

    actors = app.add_subcommand("actors", "Show every actor, reactor and backend, and what waits at each");

    trace = app.add_subcommand("trace", "Show requests and the time of their steps");
    trace->add_option("--slowest", traced.slowest, "The slowest N of the last minutes, not the newest")
        ->check(CLI::Range(1U, 100000U));
    trace->add_option("-m,--mount", traced.mount, "Of this mountpoint alone");
    trace->add_option("-o,--output", traced.output,
                      "Write Chrome trace JSON to this file; Perfetto and chrome://tracing open it");

    top = app.add_subcommand("top", "Watch mounts, rates, latencies and slow requests; q ends it");
    top->add_flag("--once", topped.is_once, "Print one screen and end");

    page = app.add_subcommand("page", "Serve the inspection page to a browser on this machine");
    page->add_option("--listen", paged.listen, "Loopback address and port, as 127.0.0.1:8080 or [::1]:8080")
        ->required();
  }

  command chosen() const {
    if (*set)
      return level;
    if (*metrics) {
      auto asked = metrics_of;
      using which = show_metrics::category;
      asked.what = category == "backend" ? which::backend
                   : category == "cache" ? which::cache
                                         : which::fsstats;
      return asked;
    }
    if (*mount)
      return mounted;
    if (*umount)
      return unmounted;
    if (*actors)
      return show_actors{};
    if (*trace)
      return traced;
    if (*top)
      return topped;
    if (*page)
      return paged;
    return show_daemon{};
  }

  CLI::App *info, *set, *metrics, *mount, *umount, *actors, *trace, *top, *page;
  std::string kind, category;
  set_log_level level;
  show_metrics metrics_of;
  mount_source mounted;
  unmount unmounted;
  show_trace traced;
  show_top topped;
  serve_page paged;
};

} // namespace

command_line parse_command_line(int argc, const char* const* argv) {
  CLI::App app{"Ask and steer a running nydusd over the socket of its API (nydusd --apisock)", "nydusctl"};
  app.footer(after_help);
  app.fallthrough(); // inherited: --sock and --raw may also stand behind the command
  app.require_subcommand(1);
  options chosen;
  app.add_option("-S,--sock", chosen.socket, "Unix socket of the daemon's API")->required();
  app.add_flag("-r,--raw", chosen.is_raw, "Print the daemon's JSON as it came");
  app.set_version_flag("-V,--version", version_text("nydusctl"), "Print the version");
  const all_commands commands{app};
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& why) {
    return {std::nullopt, app.exit(why) == 0 ? 0 : 2};
  }
  chosen.what = commands.chosen();
  return {std::move(chosen), 0};
}

} // namespace nydus::ctl
