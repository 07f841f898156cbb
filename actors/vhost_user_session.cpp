// SPDX-License-Identifier: Apache-2.0
#include "actors/vhost_user_session.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "actors/fuse_port.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "actors/pinned.hpp"
#include "actors/virtqueue_port.hpp"
#include "protocol/vhost_user/connection.hpp"
#include "protocol/vhost_user/negotiation.hpp"

namespace nydus {

namespace {

using namespace vhost_user;

// What a stopping queue's requests may take: the VMM stands still meanwhile.
constexpr std::chrono::seconds drain_patience{1};

/// What belongs to one VMM, and goes with it.
struct conversation {
  explicit conversation(unique_fd socket) : link(std::move(socket)) {}

  connection link;
  negotiation terms;
  unique_fd back_channel; // we ask the VMM nothing
  virtio::guest_memory::shared memory = std::make_shared<const virtio::guest_memory>();
  std::shared_ptr<inflight_memory> inflight;
  struct notifiers {
    shared_fd kick, call, error;
  };
  std::map<std::uint32_t, notifiers> queues;
  std::map<std::uint32_t, caf::actor> ports; // of queues that run
  fuse::session_terms agreed;                // with the guest

  // The message in hand; no other is read before it is done.
  std::optional<message> asked;
  action_list actions;
  std::size_t done = 0; // of the actions
};
using conversation_ptr = std::shared_ptr<conversation>;

class vhost_user_session : public pinned_actor {
public:
  vhost_user_session(caf::actor_config& config, reactor& home, vhost_user_session_parts parts)
      : pinned_actor(config, home, "vhost_user_session"), parts_(std::move(parts)) {}

  caf::behavior make_behavior() override {
    listen();
    return {
        [this](const settle_terms& wanted) { settle(wanted); },
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
  // -- the socket ------------------------------------------------------------

  void listen() {
    home().watch(parts_.listener.get(), EPOLLIN, [this](std::uint32_t) {
      accept();
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
      if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        log_line(log_level::error, system_failure("accept a VMM", errno).detail);
      return;
    }
    stop_listening(); // the next one waits until this one has gone
    log_line(log_level::info, "a VMM has connected");
    vmm_ = std::make_shared<conversation>(std::move(socket));
    read_on(true);
  }

  /// Whether the socket's messages are read: not while one is in hand.
  void read_on(bool wanted) {
    if (wanted == is_reading_)
      return;
    is_reading_ = wanted;
    if (wanted)
      home().watch(vmm_->link.fd(), EPOLLIN, [this](std::uint32_t) { return read(); });
    else
      home().unwatch(vmm_->link.fd());
  }

  /// Takes one message; true if there may be another, after whoever else has work.
  bool read() {
    auto received = vmm_->link.receive();
    if (!received)
      hang_up(received.error());
    else if (*received)
      begin(std::move(**received));
    return received && *received && is_reading_;
  }

  void hang_up(const failure& why) {
    log_line(why.code == errc::abandoned ? log_level::info : log_level::error, why.detail);
    end_vmm();
    listen();
  }

  void end_vmm() {
    if (!vmm_)
      return;
    read_on(false);
    for (const auto& [number, port] : vmm_->ports)
      send_exit(port, caf::exit_reason::user_shutdown);
    vmm_.reset();
  }

  void end() {
    end_vmm();
    stop_listening();
  }

  // -- messages --------------------------------------------------------------

  void begin(message asked) {
    auto actions = vmm_->terms.on_message(asked);
    if (!actions)
      return hang_up(actions.error());
    vmm_->asked = std::move(asked);
    vmm_->actions = std::move(*actions);
    vmm_->done = 0;
    go_on();
  }

  /// Carries out actions until one has to be waited for, or all are done.
  void go_on() {
    while (vmm_ && vmm_->done < vmm_->actions.size()) {
      const auto now = vmm_;
      const auto& next = now->actions[now->done++];
      bool is_waiting = false;
      const auto outcome =
          std::visit([&](const auto& action) { return carry_out(action, is_waiting); }, next);
      if (!outcome)
        return fail(outcome.error());
      if (is_waiting)
        return read_on(false);
    }
    if (vmm_)
      finish({});
  }

  /// Goes on where go_on() had to wait, if that VMM is still there.
  std::function<void()> continuation() {
    return [this, waiting = std::weak_ptr<conversation>{vmm_}] {
      if (vmm_ && waiting.lock() == vmm_)
        go_on();
    };
  }

  void fail(const failure& why) {
    const auto& asked = *vmm_->asked;
    if (!vmm_->terms.wants_acknowledgement(asked))
      return hang_up(why);
    log_line(log_level::error, why.detail);
    finish(why);
  }

  void finish(const result<void>& outcome) {
    const auto asked = std::move(*vmm_->asked);
    vmm_->asked.reset();
    if (vmm_->terms.wants_acknowledgement(asked)) {
      const std::uint64_t answer = outcome ? 0 : 1;
      if (auto sent = vmm_->link.reply(asked.id, std::as_bytes(std::span{&answer, 1})); !sent)
        return hang_up(sent.error());
    }
    read_on(true);
  }

  // -- actions: each may set `is_waiting` and then calls continuation()'s function once
  // ---------------------------------

  result<void> carry_out(const action::reply& answer, bool&) {
    return vmm_->link.reply(vmm_->asked->id, answer.payload);
  }

  result<void> carry_out(const action::replace_memory& table, bool& is_waiting) {
    auto memory = std::make_shared<const virtio::guest_memory>();
    for (std::size_t i = 0; i < table.regions.size(); ++i) {
      auto added = add_region(*memory, table.regions[i], vmm_->asked->descriptors[i]);
      if (!added)
        return added.error();
      memory = std::move(*added);
    }
    return use_memory(std::move(memory), is_waiting);
  }

  result<void> carry_out(const action::add_memory& added, bool& is_waiting) {
    auto memory = add_region(*vmm_->memory, added.region, vmm_->asked->descriptors.front());
    if (!memory)
      return memory.error();
    return use_memory(std::move(*memory), is_waiting);
  }

  result<void> carry_out(const action::remove_memory& removed, bool& is_waiting) {
    auto memory = vmm_->memory->without(removed.region);
    if (!memory)
      return memory.error();
    return use_memory(std::move(*memory), is_waiting);
  }

  static result<virtio::guest_memory::shared> add_region(const virtio::guest_memory& memory,
                                                         const virtio::memory_region& described,
                                                         const unique_fd& file) {
    auto region = virtio::mapped_region::map(described, file);
    if (!region)
      return region.error();
    return memory.with(std::move(*region));
  }

  /// The VMM may rely on the change once it is answered: all ports have to know it before.
  result<void> use_memory(virtio::guest_memory::shared memory, bool& is_waiting) {
    vmm_->memory = memory;
    is_waiting = tell_ports<memory_taken>(take_memory{std::move(memory)}, continuation());
    return {};
  }

  result<void> carry_out(const action::keep_back_channel&, bool&) {
    vmm_->back_channel = std::move(vmm_->asked->descriptors.front());
    return {};
  }

  result<void> carry_out(const action::keep_notifier& kept, bool&) {
    auto& descriptors = vmm_->asked->descriptors;
    shared_fd descriptor;
    if (!descriptors.empty()) {
      descriptor = std::make_shared<const unique_fd>(std::move(descriptors.front()));
      // A reactor writes to it: one that nobody empties must not hold it up.
      ::fcntl(descriptor->get(), F_SETFL, ::fcntl(descriptor->get(), F_GETFL) | O_NONBLOCK);
    }
    auto& queue = vmm_->queues[kept.queue];
    switch (kept.kind) {
    case action::notifier::kick:
      queue.kick = std::move(descriptor);
      break;
    case action::notifier::error:
      queue.error = std::move(descriptor);
      break;
    case action::notifier::call:
      queue.call = std::move(descriptor);
      if (const auto port = vmm_->ports.find(kept.queue); port != vmm_->ports.end())
        send(port->second, take_call{queue.call});
      break;
    }
    return {};
  }

  result<void> carry_out(const action::start_queue& started, bool&) {
    const auto number = started.queue;
    const auto& setup = vmm_->terms.queue(number);
    const auto& notifiers = vmm_->queues[number];
    auto queue =
        virtio::split_queue::attach(*vmm_->memory, setup.place, vmm_->terms.features(), setup.next_available);
    if (!queue) { // the queue's end, not the session's
      log_line(log_level::error,
               "virtqueue " + std::to_string(number) + " cannot start: " + queue.error().detail);
      if (notifiers.error) {
        const std::uint64_t one = 1;
        (void) !::write(notifiers.error->get(), &one, sizeof one);
      }
      return {};
    }
    virtqueue_port_parts parts{number,
                               std::move(*queue),
                               vmm_->memory,
                               notifiers.kick,
                               notifiers.call,
                               notifiers.error,
                               std::nullopt,
                               {},
                               vmm_->agreed,
                               {},
                               caf::actor_cast<caf::actor>(this)};
    restore_inflight(parts);
    // Queue 0 carries what is urgent and small; the others are spread over the CPUs.
    const auto& place = parts_.places[number == 0 ? 0 : (number - 1) % parts_.places.size()];
    parts.router = place.router;
    vmm_->ports[number] = spawn_virtqueue_port(system(), *place.home, std::move(parts));
    introduce_ports();
    return {};
  }

  /// Begins or continues the queue's log of unanswered requests, if the VMM keeps memory for it.
  void restore_inflight(virtqueue_port_parts& parts) const {
    if (!vmm_->inflight)
      return;
    const auto size = parts.queue.size();
    auto* start = vmm_->inflight->queue(parts.number, size);
    if (start == nullptr)
      return;
    parts.log.emplace(vmm_->inflight, start, size);
    bool has_history = false;
    parts.again = parts.log->resume(parts.queue.next_used(), has_history);
    if (!has_history)
      return;
    // What the VMM says of the next request may be older than what the daemon before us took.
    parts.queue.set_next_available(static_cast<std::uint16_t>(parts.queue.next_used() + parts.again.size()));
    if (!parts.again.empty())
      log_line(log_level::info, "virtqueue " + std::to_string(parts.number) + ": " +
                                    std::to_string(parts.again.size()) +
                                    " requests that were left unanswered are served again");
  }

  void introduce_ports() {
    for (const auto& [number, port] : vmm_->ports) {
      know_siblings others;
      for (const auto& [other_number, other] : vmm_->ports)
        if (other_number != number)
          others.ports.push_back(other);
      send(port, std::move(others));
    }
  }

  result<void> carry_out(const action::stop_queue& stopped, bool& is_waiting) {
    const auto found = vmm_->ports.find(stopped.queue);
    if (found == vmm_->ports.end())
      return {}; // it never started: its rings were wrong
    is_waiting = true;
    const auto port = found->second;
    vmm_->ports.erase(found);
    const auto stop = [this, port, number = stopped.queue, go = continuation(),
                       vmm = vmm_](const queue_stopped& at) {
      vmm->terms.queue_stopped(number, at.next_available);
      send_exit(port, caf::exit_reason::user_shutdown);
      go();
    };
    const auto gone = [go = continuation()](const caf::error&) { go(); };
    request(port, drain_patience, stop_queue{}).then(stop, [this, port, stop, gone](const caf::error&) {
      log_line(log_level::warning, "the VMM stops a queue whose requests take long: they fail");
      request(port, caf::infinite, abandon_queue{}).then(stop, gone);
    });
    return {};
  }

  result<void> carry_out(const action::reply_base& wanted, bool&) {
    const vring_state base{wanted.queue, vmm_->terms.queue(wanted.queue).next_available};
    return vmm_->link.reply(vmm_->asked->id, std::as_bytes(std::span{&base, 1}));
  }

  result<void> carry_out(const action::make_inflight& wanted, bool&) {
    auto described = wanted.wanted;
    unique_fd file;
    auto memory = inflight_memory::make(described, file);
    if (!memory)
      return memory.error();
    vmm_->inflight = std::move(*memory);
    return vmm_->link.reply(vmm_->asked->id, std::as_bytes(std::span{&described, 1}).first(wanted.reply_size),
                            file.get());
  }

  result<void> carry_out(const action::take_inflight& taken, bool&) {
    auto memory = inflight_memory::map(taken.described, vmm_->asked->descriptors.front());
    if (!memory)
      return memory.error();
    vmm_->inflight = std::move(*memory);
    return {};
  }

  result<void> carry_out(const action::reset_session&, bool&) {
    vmm_->agreed = {};
    return {};
  }

  // -- ports -----------------------------------------------------------------

  /// Sends `news` to all ports and calls `next` when all have answered (an Answer) or are gone. False, and
  /// `next` is not called, if there is none.
  template <class Answer, class News>
  bool tell_ports(const News& news, std::function<void()> next) {
    if (vmm_->ports.empty())
      return false;
    auto missing = std::make_shared<std::size_t>(vmm_->ports.size());
    const auto one_less = [missing, next = std::move(next)] {
      if (--*missing == 0)
        next();
    };
    for (const auto& [number, port] : vmm_->ports)
      request(port, caf::infinite, news)
          .then([one_less](const Answer&) { one_less(); }, [one_less](const caf::error&) { one_less(); });
    return true;
  }

  /// A guest begins: all queues know what was agreed on before it hears so.
  void settle(const settle_terms& wanted) {
    auto outcome = fuse::answer_init(wanted.request, false);
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
    vmm_->agreed = outcome->terms;
    log_line(log_level::info,
             "a guest has mounted the file system, FUSE 7." + std::to_string(outcome->terms.minor));
    if (!tell_ports<terms_taken>(take_terms{outcome->terms}, answer))
      answer();
  }

  /// The answers of all ports to a question about their requests, as one.
  template <class List, class Question>
  caf::typed_response_promise<List> gather(const Question& asked) {
    auto answer = make_response_promise<caf::typed_response_promise<List>>();
    if (!vmm_ || vmm_->ports.empty()) {
      answer.deliver(List{});
      return answer;
    }
    auto all = std::make_shared<List>();
    auto missing = std::make_shared<std::size_t>(vmm_->ports.size());
    const auto add = [all, missing, answer](const List& some) {
      all->requests.insert(all->requests.end(), some.requests.begin(), some.requests.end());
      if (--*missing == 0)
        caf::typed_response_promise<List>{answer}.deliver(*all);
    };
    for (const auto& [number, port] : vmm_->ports)
      request(port, caf::infinite, asked).then(add, [add](const caf::error&) { add(List{}); });
    return answer;
  }

  vhost_user_session_parts parts_;
  conversation_ptr vmm_; // null: none is connected
  bool is_listening_ = false;
  bool is_reading_ = false;
};

} // namespace

caf::actor spawn_vhost_user_session(caf::actor_system& system, vhost_user_session_parts parts) {
  auto& home = *parts.places.front().home;
  return spawn_pinned<vhost_user_session>(system, home, std::move(parts));
}

} // namespace nydus
