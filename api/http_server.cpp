// SPDX-License-Identifier: Apache-2.0
#include "api/http_server.hpp"

#include <caf/scoped_actor.hpp>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "actors/pinned.hpp"
#include "api/http_loop.hpp"

namespace nydus {

/// Answer: http_closed, once nobody waits for an answer any more.
struct close_http {};
struct http_closed {};

} // namespace nydus

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::close_http)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::http_closed)

namespace nydus {

namespace {

constexpr auto time_to_send = std::chrono::seconds{1}; // for answers, when the server ends

/// A listening socket at `path` that only its owner may use.
result<unique_fd> listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return failure{errc::malformed, "socket path '" + path + "' has " + std::to_string(path.size()) +
                                        " bytes; 1 to 107 are possible"};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd)
    return system_failure("make a socket for " + path, errno);
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode))
      return failure{errc::unavailable, "listen at " + path + ": a file that is no socket is there"};
    ::unlink(path.c_str());
  }
  // The mode of the descriptor becomes the mode of the file: no moment at which others may connect.
  if (::fchmod(fd.get(), 0600) != 0)
    return system_failure("set the mode of " + path, errno);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return system_failure("bind " + path, errno);
  if (::listen(fd.get(), SOMAXCONN) != 0)
    return system_failure("listen at " + path, errno);
  return fd;
}

class http_runner : public pinned_actor {
public:
  http_runner(caf::actor_config& config, reactor& home, std::string path, std::unique_ptr<http_loop> loop)
      : pinned_actor(config, home, "http_server"), path_(std::move(path)), loop_(std::move(loop)) {}

  caf::behavior make_behavior() override {
    for (const auto fd : {loop_->library_fd(), loop_->answer_fd()})
      home().watch(fd, EPOLLIN, [this](std::uint32_t) {
        return survive([this] { return turn(); }, [] { return false; });
      });
    return {[this](const close_http&) {
      loop_->close();
      auto closed = make_response_promise<caf::typed_response_promise<http_closed>>();
      closing_.push_back(closed);
      return closed;
    }};
  }

  void on_exit() override {
    for (const auto fd : {loop_->library_fd(), loop_->answer_fd()})
      home().unwatch(fd);
    loop_.reset();
    closing_.clear();
    ::unlink(path_.c_str());
  }

private:
  bool turn() {
    const bool is_more = loop_->turn();
    if (!closing_.empty() && !loop_->is_waited_for())
      for (auto& one : std::exchange(closing_, {}))
        one.deliver(http_closed{});
    return is_more;
  }

  std::string path_;
  std::unique_ptr<http_loop> loop_;
  std::vector<caf::typed_response_promise<http_closed>> closing_;
};

} // namespace

result<std::unique_ptr<http_server>> http_server::start(caf::actor_system& system, reactor& where,
                                                        const std::string& path, http_handler handle) {
  auto listening = listen_at(path);
  if (!listening)
    return std::move(listening).error();
  auto loop = http_loop::start(*std::move(listening), std::move(handle));
  if (!loop)
    return failure{errc::unavailable, "the HTTP library does not start on " + path};
  auto runner = spawn_pinned<http_runner>(system, where, path, std::move(loop));
  return std::unique_ptr<http_server>{new http_server{system, std::move(runner)}};
}

http_server::~http_server() {
  caf::scoped_actor self{system_};
  self->request(runner_, time_to_send, close_http{})
      .receive([](const http_closed&) {}, [](const caf::error&) {});
  self->send_exit(runner_, caf::exit_reason::user_shutdown);
  self->wait_for(runner_);
}

} // namespace nydus
