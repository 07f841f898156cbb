// SPDX-License-Identifier: Apache-2.0
// nydusd: from command line to a running daemon, and back when a signal or the kernel ends it.
#include <caf/send.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <sstream>

#include "actors/daemon.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "api/api_front.hpp"
#include "api/backend_fields.hpp"
#include "api/command_line.hpp"
#include "api/daemon_config.hpp"
#include "api/http_server.hpp"
#include "api/log.hpp"
#include "api/open_file_limit.hpp"
#include "api/version.hpp"
#include "protocol/unique_fd.hpp"

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::http_call)

namespace nydus {

namespace {

/// Why main() wakes up.
enum class wake_reason : std::uint8_t { signal, session_ended, exit_asked };

/// Signals and events that end the process, as descriptors that main() waits on.
class end_events {
public:
  end_events() : session_ended_(eventfd(0, EFD_CLOEXEC)), exit_asked_(eventfd(0, EFD_CLOEXEC)) {
    sigset_t ending;
    ::sigemptyset(&ending);
    ::sigaddset(&ending, SIGTERM);
    ::sigaddset(&ending, SIGINT);
    ::sigprocmask(SIG_BLOCK, &ending, nullptr); // inherited by every thread
    signals_ = unique_fd{::signalfd(-1, &ending, SFD_CLOEXEC)};
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN); // a file size limit is an error of write()
  }

  void session_ended() const noexcept { raise(session_ended_); }
  void exit_asked() const noexcept { raise(exit_asked_); }

  wake_reason wait() const noexcept {
    std::array<pollfd, 3> waited{
        {{signals_.get(), POLLIN, 0}, {session_ended_.get(), POLLIN, 0}, {exit_asked_.get(), POLLIN, 0}}};
    while (::poll(waited.data(), waited.size(), -1) < 0 && errno == EINTR) {
    }
    if (waited[0].revents != 0)
      return wake_reason::signal;
    return waited[1].revents != 0 ? wake_reason::session_ended : wake_reason::exit_asked;
  }

private:
  static void raise(const unique_fd& event) noexcept {
    const std::uint64_t one = 1;
    (void) !::write(event.get(), &one, sizeof one);
  }

  unique_fd signals_;
  unique_fd session_ended_;
  unique_fd exit_asked_;
};

/// Absolute paths out of --prefetch-files: a file that lists them, or the paths themselves.
result<std::vector<std::string>> prefetch_list(const std::vector<std::string>& given) {
  std::vector<std::string> lines = given;
  if (given.size() == 1 && given.front() != "/") {
    auto text = read_config_file(given.front());
    if (!text)
      return failure{errc::malformed, "--prefetch-files: " + text.error().detail};
    lines.clear();
    std::istringstream stream{*text};
    for (std::string line; std::getline(stream, line);) {
      const auto first = line.find_first_not_of(" \t\r");
      if (first != std::string::npos)
        lines.push_back(line.substr(first, line.find_last_not_of(" \t\r") - first + 1));
    }
  }
  for (const auto& line : lines)
    if (line.front() != '/')
      return failure{errc::malformed, "--prefetch-files: '" + line + "' is no absolute path"};
  return lines;
}

struct start_mount {
  std::optional<mount_image> image;
  result<mount_settings> settings = failure{errc::malformed, "the daemon was started without --config"};
};

/// What to mount at start, if anything, and the settings that API mounts without a configuration fall back
/// to.
result<start_mount> plan_mount(const daemon_options& options) {
  start_mount plan;
  if (!options.localfs_dir.empty()) {
    plan.settings = settings_for_directory(options.localfs_dir);
  } else if (!options.config.empty()) {
    const auto text = read_config_file(options.config);
    plan.settings = text ? parse_config(*text) : text.error();
    if (!plan.settings)
      plan.settings = failure{plan.settings.error().code,
                              "configuration " + options.config + ": " + plan.settings.error().detail};
  }
  if (options.bootstrap.empty()) {
    // Clients bring configurations that make sense with a bootstrap only: they must not fail the start.
    if (!plan.settings && !options.config.empty())
      log_line(log_level::warning, plan.settings.error().detail);
    return plan;
  }
  if (options.config.empty() && options.localfs_dir.empty())
    return failure{errc::malformed, "--bootstrap needs --config or --localfs-dir"};
  if (!plan.settings)
    return plan.settings.error();
  // Set by who starts one daemon for one image and keeps credentials out of files.
  if (const char* auth = std::getenv("IMAGE_PULL_AUTH"); auth != nullptr && *auth != '\0') {
    if (!is_basic_auth(auth))
      return failure{errc::malformed, "IMAGE_PULL_AUTH is not base64 of user:password"};
    plan.settings->backend.registry.auth = auth;
  }
  auto prefetch = prefetch_list(options.prefetch_files);
  if (!prefetch)
    return prefetch.error();
  mount_image image;
  image.mountpoint = options.virtual_mountpoint;
  image.source = options.bootstrap;
  image.settings = std::make_shared<const mount_settings>(*plan.settings);
  image.prefetch_files = *std::move(prefetch);
  plan.image = std::move(image);
  return plan;
}

result<std::string> existing_directory(const std::string& path) {
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr)
    return system_failure("--mountpoint " + path, errno);
  std::string absolute{resolved};
  std::free(resolved);
  struct stat status {};
  if (::stat(absolute.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
    return failure{errc::malformed, "--mountpoint " + path + " is no directory"};
  return absolute;
}

/// Begins to serve the host or, with --sock, a virtual machine.
result<void> serve(daemon& served, const daemon_options& options, const end_events& events) {
  if (!options.sock.empty())
    return served.serve_virtiofs(options.sock);
  const auto mountpoint = existing_directory(options.mountpoint);
  if (!mountpoint)
    return mountpoint.error();
  return served.serve_fuse(*mountpoint, [&events] { events.session_ended(); });
}

result<void> run(const daemon_options& options, const end_events& events) {
  auto plan = plan_mount(options);
  if (!plan)
    return plan.error();
  if (auto raised = raise_open_file_limit(options.rlimit_nofile); !raised)
    log_line(log_level::warning, raised.error().detail);
  auto served = daemon::start({options.fuse_threads});
  if (!served)
    return served.error();
  if (plan->image)
    if (auto mounted = (*served)->mount(*plan->image); !mounted)
      return mounted.error();
  if (auto serving = serve(**served, options, events); !serving)
    return serving.error();

  std::unique_ptr<http_server> server;
  if (!options.apisock.empty()) {
    api_parts parts;
    parts.supervisor = (*served)->supervisor();
    parts.ports = (*served)->ports();
    parts.census = (*served)->census();
    parts.reactors = (*served)->reactors();
    parts.id = options.id;
    parts.supervisor_path = options.supervisor;
    parts.default_settings = plan->settings;
    parts.set_log_level = set_log_level;
    parts.exit = [&events] { events.exit_asked(); };
    auto front = spawn_api_front((*served)->system(), (*served)->control(), std::move(parts));
    auto listening = http_server::start((*served)->system(), (*served)->control(), options.apisock,
                                        [front](http_request request, std::shared_ptr<http_responder> to) {
                                          caf::anon_send(front, http_call{std::move(request), std::move(to)});
                                        });
    if (!listening) {
      (*served)->stop();
      return listening.error();
    }
    server = std::move(*listening);
  }
  log_line(log_level::info, "nydusd serves " + (options.sock.empty() ? options.mountpoint : options.sock));
  const auto why = events.wait();
  server.reset();
  (*served)->stop(why == wake_reason::exit_asked);
  log_line(log_level::info, "nydusd quits");
  return {};
}

} // namespace

} // namespace nydus

int main(int argc, char** argv) {
  using namespace nydus;
  const auto parsed = parse_command_line(argc, argv);
  if (!parsed.options)
    return parsed.exit_status;
  const end_events events;
  const auto& options = *parsed.options;
  if (auto log = start_log({options.log_level, options.log_file, options.log_rotation_megabytes}); !log) {
    std::cerr << "Error: " << log.error().detail << '\n';
    return 1;
  }
  log_line(log_level::info, "nydusd " + version().package + ", commit " + version().commit);
  const auto outcome = run(options, events);
  if (!outcome)
    log_line(log_level::error, outcome.error().detail);
  stop_log();
  if (!outcome)
    std::cerr << "Error: " << outcome.error().detail << '\n';
  std::cout.flush();
  // Not exit(): threads that hang in a dead backend must not hold the process.
  std::_Exit(outcome ? 0 : 1);
}
