// SPDX-License-Identifier: Apache-2.0
#include "api/http_server.hpp"

#include <caf/scoped_actor.hpp>

#include <sys/epoll.h>
#include <unistd.h>

#include <chrono>

#include "actors/pinned.hpp"
#include "api/http_loop.hpp"
#include "protocol/unix_listener.hpp"

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
