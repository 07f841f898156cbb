// SPDX-License-Identifier: Apache-2.0
#include "api/command_line.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <iostream>

#include "api/version.hpp"

namespace nydus {

namespace {

/// Options that are understood and change nothing here, so that scripts for other builds go on working.
struct ignored_options {
  std::string failover_policy, backend_source, dedup_db;
  bool is_writable = false, is_upgrade = false, is_hybrid = false;
};

/// Options of services that this build lacks: known, so that the error can say so.
struct missing_options {
  std::string shared_dir;
};

/// The same options stand before and behind the subcommand.
void add_options(CLI::App& app, daemon_options& options, ignored_options& ignored, missing_options& missing,
                 std::string& rlimit) {
  app.add_option("-M,--mountpoint", options.mountpoint, "Directory to mount the file system on");
  app.add_option("--sock", options.sock, "vhost-user socket to serve a virtual machine (virtio-fs) on");
  app.add_option("-B,--bootstrap,--metadata", options.bootstrap, "RAFS metadata file to mount at start");
  app.add_option("-C,--config", options.config, "Configuration file: v1 JSON, v2 JSON or v2 TOML");
  app.add_option("-D,--localfs-dir", options.localfs_dir,
                 "Directory that holds the blobs and the cache; stands for a configuration");
  app.add_option("-A,--apisock", options.apisock, "Unix socket to serve the HTTP API on");
  app.add_option("-m,--virtual-mountpoint", options.virtual_mountpoint,
                 "Where below the mountpoint the image given at start appears")
      ->capture_default_str();
  app.add_option(
      "--prefetch-files", options.prefetch_files,
      "File with a list of absolute paths to fetch first, or the paths themselves; / means everything");
  app.add_option("--fuse-threads,--thread-num", options.fuse_threads,
                 "Threads that serve the kernel or the guest, at most one per CPU")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--rlimit-nofile", rlimit,
                 "Limit of open files to ask for; 0 leaves it alone [default: 1000000]");
  app.add_option("-l,--log-level", options.log_level, "trace, debug, info, warn or error")
      ->transform(CLI::IsMember({"trace", "debug", "info", "warn", "error"}, CLI::ignore_case))
      ->capture_default_str();
  app.add_option("-L,--log-file", options.log_file, "File to log to; .log is added if it has no extension");
  app.add_option("--log-rotation-size", options.log_rotation_megabytes,
                 "Rotate the log file at that many MiB; 0: never");
  app.add_option("--id", options.id, "Name of this daemon in its API");
  app.add_option("--supervisor", options.supervisor, "Supervisor socket; shown in the API");
  app.add_option("--failover-policy", ignored.failover_policy, "Accepted; this build has no failover");
  app.add_option("--backend-source", ignored.backend_source, "Accepted and ignored");
  app.add_option("--dedup-db", ignored.dedup_db, "Accepted and ignored; chunks are shared by the cache");
  app.add_flag("--hybrid-mode", ignored.is_hybrid, "Accepted; mounts of any kind go together");
  app.add_option("-s,--shared-dir", missing.shared_dir)->group("");
  app.add_flag("--writable", ignored.is_writable, "Accepted; images are read-only in this build");
  app.add_flag("--upgrade", ignored.is_upgrade, "Accepted; this build has no hot upgrade");
}

std::uint64_t parse_limit(std::string text) {
  std::erase(text, ',');
  if (text.empty() || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) ||
      text.size() > 18)
    return daemon_options{}.rlimit_nofile;
  return std::stoull(text);
}

} // namespace

command_line parse_command_line(int argc, const char* const* argv) {
  daemon_options options;
  ignored_options ignored;
  missing_options missing;
  std::string rlimit;
  bool wants_version = false;
  CLI::App app{"nydusd serves Nydus (RAFS) container images: to the host over FUSE, to virtual machines over "
               "virtio-fs.",
               "nydusd"};
  app.add_flag("-V,--version", wants_version, "Print the version and exit");
  add_options(app, options, ignored, missing, rlimit);
  auto* fuse =
      app.add_subcommand("fuse", "Serve the host over /dev/fuse (also without a subcommand: --mountpoint)");
  add_options(*fuse, options, ignored, missing, rlimit);
  auto* virtiofs = app.add_subcommand(
      "virtiofs", "Serve a virtual machine over virtio-fs (also without a subcommand: --sock)");
  add_options(*virtiofs, options, ignored, missing, rlimit);
  for (auto* subcommand : {fuse, virtiofs})
    subcommand->add_flag("-V,--version", wants_version, "Print the version and exit");
  for (const auto* name : {"singleton", "uffd", "nbd"})
    app.add_subcommand(name, "Not in this build")->group("")->allow_extras();
  command_line outcome;
  const auto usage = [&](const std::string& why) {
    std::cerr << "error: " << why << "\nRun 'nydusd --help' for all options.\n";
    outcome.exit_status = 2;
    return outcome;
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return outcome;
  } catch (const CLI::ParseError& why) {
    return usage(why.what());
  }
  if (wants_version) {
    std::cout << version_text("nydusd");
    return outcome;
  }
  for (const auto* name : {"singleton", "uffd", "nbd"})
    if (app.got_subcommand(name))
      return usage(std::string{"this build has no "} + name + " service; it has: fuse, virtiofs");
  if (!missing.shared_dir.empty())
    return usage("this build has no passthrough file system (--shared-dir)");
  if (app.got_subcommand(fuse) && options.mountpoint.empty())
    return usage("fuse needs --mountpoint");
  if (app.got_subcommand(virtiofs) && options.sock.empty())
    return usage("virtiofs needs --sock");
  if (options.mountpoint.empty() && options.sock.empty())
    return usage("--mountpoint (to serve the host) or --sock (to serve a virtual machine) is required");
  if (!options.mountpoint.empty() && !options.sock.empty())
    return usage(
        "--mountpoint and --sock exclude each other: one daemon serves the host or a virtual machine");
  if (!options.localfs_dir.empty() && !options.config.empty())
    return usage("--localfs-dir and --config exclude each other");
  if (options.id.empty() && !options.supervisor.empty())
    return usage("--supervisor needs --id");
  if (!options.prefetch_files.empty() && options.bootstrap.empty())
    return usage("--prefetch-files needs --bootstrap");
  options.rlimit_nofile = rlimit.empty() ? options.rlimit_nofile : parse_limit(rlimit);
  outcome.options = std::move(options);
  return outcome;
}

} // namespace nydus
