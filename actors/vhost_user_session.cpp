// SPDX-License-Identifier: Apache-2.0
#include "actors/vhost_user_session.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>

#include "actors/fuse_port.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "actors/pinned.hpp"
#include "actors/virtqueue_port.hpp"
#include "actors/vmm_conversation.hpp"

namespace nydus {

namespace {

// After a connection could not be taken, which without descriptors happens again at once.
constexpr std::chrono::seconds pause_after_failure{1};

class vhost_user_session : public pinned_actor {
public:
  vhost_user_session(caf::actor_config& config, reactor& home, vhost_user_session_parts parts)
      : pinned_actor(config, home, "vhost_user_session"), parts_(std::move(parts)) {}

  caf::behavior make_behavior() override {
    listen();
    return {
        [this](const settle_terms& wanted) { settle(wanted); },
        [this](const listen_again&) {
          if (!vmm_ && !has_ended_)
            listen();
        },
        [this](const list_inflight& asked) { return gather<inflight_list>(asked); },
        [this](const list_slowest& asked) { return gather<slow_request_list>(asked); },
        [this](const close_port&) {
          end();
          return port_closed{};
        },
    };
  }

  void on_exit() override {
    end();
    parts_.places.clear();
  }

private:
  void listen() {
    if (is_listening_)
      return;
    home().watch(parts_.listener.get(), EPOLLIN, [this](std::uint32_t) {
      survive([this] { accept(); }, [this] { let_go({errc::unavailable, "the VMM is let go of"}); });
      return false;
    });
    is_listening_ = true;
  }

  void stop_listening() {
    if (std::exchange(is_listening_, false))
      home().unwatch(parts_.listener.get());
  }

  void accept() {
    unique_fd socket{::accept4(parts_.listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!socket) {
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
        return;
      log_line(log_level::error, system_failure("accept a VMM", errno).detail);
      stop_listening(); // it would be said again at once
      delayed_send(this, pause_after_failure, listen_again{});
      return;
    }
    stop_listening(); // the next one waits until this one has gone
    log_line(log_level::info, "a VMM has connected");
    vmm_ = std::make_shared<vmm_conversation>(*this, parts_.places, std::move(socket),
                                              [this](const failure& why) { let_go(why); });
    vmm_->begin();
  }

  void let_go(const failure& why) {
    log_line(why.code == errc::abandoned ? log_level::info : log_level::error, why.detail);
    vmm_.reset();
    listen();
  }

  void end() {
    has_ended_ = true;
    if (vmm_)
      vmm_->end();
    vmm_.reset();
    stop_listening();
  }

  /// A guest begins: all queues know what was agreed on before it hears so.
  void settle(const settle_terms& wanted) {
    auto outcome = fuse::answer_init(wanted.request);
    if (!outcome) {
      log_line(log_level::warning, outcome.error().detail);
      send(wanted.port, fs_reply{wanted.slot, to_errno(outcome.error().code), {}, {}});
      return;
    }
    fuse_out_header header{};
    std::memcpy(&header, outcome->reply.data(), sizeof header);
    fs_reply reply{wanted.slot,
                   -header.error,
                   {},
                   std::vector<std::byte>{outcome->reply.begin() + sizeof header, outcome->reply.end()}};
    const auto answer = [this, port = wanted.port, reply = std::move(reply)] { send(port, reply); };
    if (!vmm_ || !outcome->is_settled)
      return answer();
    vmm_->ports().agree(outcome->terms);
    log_line(log_level::info,
             "a guest has mounted the file system, FUSE 7." + std::to_string(outcome->terms.minor));
    if (!vmm_->ports().tell<terms_taken>(take_terms{outcome->terms}, answer))
      answer();
  }

  template <class List, class Question>
  caf::typed_response_promise<List> gather(const Question& asked) {
    if (vmm_)
      return vmm_->ports().gather<List>(asked);
    auto none = make_response_promise<caf::typed_response_promise<List>>();
    none.deliver(List{});
    return none;
  }

  vhost_user_session_parts parts_;
  std::shared_ptr<vmm_conversation> vmm_; // null: none is connected
  bool is_listening_ = false;
  bool has_ended_ = false;
};

} // namespace

caf::actor spawn_vhost_user_session(caf::actor_system& system, vhost_user_session_parts parts) {
  auto& home = *parts.places.front().home;
  return spawn_pinned<vhost_user_session>(system, home, std::move(parts));
}

} // namespace nydus
