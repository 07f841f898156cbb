// SPDX-License-Identifier: Apache-2.0
// The ports of one VMM's virtqueues, one per queue that runs: starts and stops them, and asks or tells all of
// them together. Neighbours: vmm_conversation says when, virtqueue_port serves one queue.
#pragma once

#include <caf/actor.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "actors/reactor.hpp"
#include "actors/virtqueue_port.hpp"
#include "protocol/vhost_user/negotiation.hpp"

namespace nydus {

/// A reactor and its router.
struct port_place {
  reactor* home = nullptr;
  caf::actor router;
};

/// What a queue works with, as the VMM has described it.
struct queue_start {
  std::uint32_t number = 0;
  const vhost_user::queue_setup& setup;
  std::uint64_t features = 0; // that the guest's driver took
  virtio::guest_memory::shared memory;
  std::shared_ptr<vhost_user::inflight_memory> inflight; // null: nothing outlives this process
};

/// Threads: the actor `session` alone, whose requests these are; its answers come on that actor too.
class queue_ports {
public:
  /// Both outlive this. Queues are spread over `places`.
  queue_ports(caf::event_based_actor& session, const std::vector<port_place>& places)
      : session_(session), places_(places) {}
  queue_ports(const queue_ports&) = delete;
  queue_ports& operator=(const queue_ports&) = delete;

  /// The descriptor (null: none) is the queue's from now on.
  void keep_notifier(std::uint32_t queue, vhost_user::action::notifier kind, shared_fd descriptor);

  /// Serves the queue. Wrong rings are the queue's end, not the session's: that is logged and the VMM told.
  void start(const queue_start& wanted);

  /// Has the port finish (a second at most, then what is left fails) and end, then calls `stopped` with where
  /// the queue would go on, or with nothing if the port died. False, and `stopped` is not called, if the
  /// queue does not run.
  bool stop(std::uint32_t queue, std::function<void(std::optional<std::uint16_t>)> stopped);

  /// What was agreed on with the guest, for the ports that start from now on.
  void agree(const fuse::session_terms& terms) { agreed_ = terms; }

  /// Sends `news` to all ports and calls `next` when all have answered (an Answer) or are gone. False, and
  /// `next` is not called, if there is none.
  template <class Answer, class News>
  bool tell(const News& news, std::function<void()> next) {
    if (ports_.empty())
      return false;
    auto missing = std::make_shared<std::size_t>(ports_.size());
    const auto one_less = [missing, next = std::move(next)] {
      if (--*missing == 0)
        next();
    };
    for (const auto& [number, port] : ports_)
      session_.request(port, caf::infinite, news)
          .then([one_less](const Answer&) { one_less(); }, [one_less](const caf::error&) { one_less(); });
    return true;
  }

  /// The answers of all ports to a question about their requests, as one.
  template <class List, class Question>
  caf::typed_response_promise<List> gather(const Question& asked) {
    auto answer = session_.make_response_promise<caf::typed_response_promise<List>>();
    if (ports_.empty()) {
      answer.deliver(List{});
      return answer;
    }
    auto all = std::make_shared<List>();
    auto missing = std::make_shared<std::size_t>(ports_.size());
    const auto add = [all, missing, answer](const List& some) {
      all->requests.insert(all->requests.end(), some.requests.begin(), some.requests.end());
      if (--*missing == 0)
        caf::typed_response_promise<List>{answer}.deliver(*all);
    };
    for (const auto& [number, port] : ports_)
      session_.request(port, caf::infinite, asked).then(add, [add](const caf::error&) { add(List{}); });
    return answer;
  }

  /// All ports end; what is under way is dropped.
  void end();

private:
  struct notifiers {
    shared_fd kick, call, error;
  };

  void introduce();

  caf::event_based_actor& session_;
  const std::vector<port_place>& places_;
  std::map<std::uint32_t, notifiers> notifiers_;
  std::map<std::uint32_t, caf::actor> ports_; // of queues that run
  fuse::session_terms agreed_;
};

} // namespace nydus
