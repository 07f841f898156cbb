// SPDX-License-Identifier: Apache-2.0
#include "actors/virtqueue_port.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>

#include "actors/fs_request.hpp"
#include "actors/fuse_port.hpp"
#include "actors/guest_reply.hpp"
#include "actors/hot_message.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "actors/page_reader.hpp"
#include "actors/pinned.hpp"
#include "actors/request_slots.hpp"
#include "actors/session_answers.hpp"

namespace nydus {

namespace {

// Requests taken in one go before answers get a turn.
constexpr int requests_per_turn = 128;
// Answers after which the guest may be notified, at least and at most: half of what was taken. It wakes up
// while we work on the other half; more calls than that cost more than they bring.
constexpr int fewest_per_call = 8;
constexpr int most_per_call = 32;
// Requests under way at most, interrupted ones included, as a multiple of the queue's size.
constexpr std::size_t most_taken = 4;

class virtqueue_port : public pinned_actor {
public:
  virtqueue_port(caf::actor_config& config, reactor& home, virtqueue_port_parts parts)
      : pinned_actor(config, home, "virtqueue_port"), parts_(std::move(parts)), queue_(parts_.queue),
        request_(fuse::request_buffer_size), pages_(config.host->system(), home.name()) {}

  caf::behavior make_behavior() override {
    open();
    return {
        [this](const interrupt_request& wanted) { interrupt(wanted.unique); },
        [this](const know_siblings& known) { siblings_ = known.ports; },
        [this](const list_inflight&) { return slots_.inflight(); },
        [this](const list_slowest&) { return slow_request_list{slots_.slowest()}; },
        [this](const take_terms& settled) {
          parts_.terms = settled.terms;
          return terms_taken{};
        },
        [this](const take_memory& changed) {
          move_to(changed.memory);
          return memory_taken{};
        },
        [this](const take_call& changed) { parts_.call = changed.call; },
        [this](const stop_queue&) { return stop(); },
        [this](const abandon_queue&) { return abandon(); },
        [this](const announce_answers&) {
          is_announcing_ = false;
          announce();
        },
    };
  }

  void on_exit() override {
    close();
    pages_.end();
    pending_.clear();
    askers_.clear();
    parts_.memory.reset(); // the guest's memory is let go of, whoever still holds this actor
    siblings_.clear();
    parts_.session = parts_.router = nullptr;
  }

private:
  void start_anew(const caf::type_erased_tuple& lost) noexcept override {
    if (const auto* reply = as<fs_reply>(lost)) {
      const auto unique = slots_.unique_of(reply->slot);
      if (unique && askers_[reply->slot].memory)
        give_answer(reply->slot, *unique, EIO);
      slots_.end(fs_reply{reply->slot, EIO, reply->times, {}});
    }
  }

  bool take_hot(caf::mailbox_element& message) override {
    const auto* reply = message_as<fs_reply>(message);
    if (reply != nullptr)
      finish(*reply);
    return reply != nullptr;
  }

  /// Where the answer to the request of a slot goes.
  struct asker {
    virtio::guest_memory::shared memory; // stays mapped until the answer is in it
    std::vector<iovec> places;
    std::uint32_t size = 0; // bytes of the places
    std::uint16_t head = 0;
  };

  // -- requests --------------------------------------------------------------

  void open() {
    received_ = now_nanoseconds();
    for (const auto head : std::exchange(parts_.again, {}))
      survive([&] { take(head); }, [&] { lose_request(head); });
    try {
      // Edge-triggered: nobody has to read the kicks, a new one is an edge in any case, and the first edge
      // comes at once if the guest has kicked before.
      home().watch(parts_.kick->get(), EPOLLIN | EPOLLET, [this](std::uint32_t) { return serve_queue(); },
                   {[this] { return queue_.has_waiting(); }, [this] { return !queue_.want_kicks(); }});
    } catch (const std::system_error& why) { // the VMM sent something that cannot be waited for
      is_open_ = false;
      return break_queue({errc::malformed, std::string{"its kick: "} + why.what()});
    }
    signal(*parts_.kick); // there may be requests that nobody kicks for: a daemon before us was told of them
  }

  /// Tells the guest of what is answered and takes what waits. True if there may be more: the actors that
  /// were sent to run first. The guest is asked for a kick only when the reactor is about to sleep.
  bool serve_queue() {
    announce();
    if (!is_open_)
      return false;
    queue_.suppress_kicks();
    is_serving_ = take_requests() && is_open_;
    return is_serving_;
  }

  /// Whether there were any.
  bool take_requests() {
    const auto waiting = queue_.waiting();
    if (!waiting) {
      break_queue(waiting.error());
      return false;
    }
    received_ = now_nanoseconds(); // those that the guest showed since come with the next ones
    answers_per_call_ = std::clamp(*waiting / 2, fewest_per_call, most_per_call);
    for (int i = std::min<int>(*waiting, requests_per_turn); i > 0 && is_open_; --i) {
      const auto head = queue_.take();
      if (!head)
        break_queue(head.error());
      else
        survive([&] { take(*head); }, [&] { lose_request(*head); });
    }
    return *waiting > 0;
  }

  /// A request goes no further: its asker is told.
  void lose_request(std::uint16_t head) {
    fuse_in_header header{};
    std::memcpy(&header, request_.data(), sizeof header);
    const auto slot = slots_.interrupt(header.unique); // a late answer is dropped
    if (slot && *slot < askers_.size() && askers_[*slot].memory && askers_[*slot].head == head)
      give_answer(*slot, header.unique, EIO);
    else if (in_hand_ == head && chain_.writable_size >= sizeof(fuse_out_header))
      answer(head, header.unique, EIO, {});
    else if (in_hand_ == head)
      complete(head, 0);
  }

  void take(std::uint16_t head) {
    in_hand_ = head;
    if (auto read = virtio::read_chain(queue_.table(), *parts_.memory, head, chain_); !read)
      return break_queue(read.error());
    if (slots_.waiting() >= queue_.size())
      return break_queue({errc::malformed, "virtqueue: more requests under way than the queue has room for"});
    if (parts_.log)
      parts_.log->taken(head);
    const auto size = virtio::copy_out(chain_.readable, request_);
    fuse_in_header header{};
    if (size < sizeof header)
      return drop(head, "a request of " + std::to_string(size) + " bytes is shorter than its header");
    std::memcpy(&header, request_.data(), sizeof header);
    const bool wants_reply = !fuse::has_no_reply(header.opcode);
    if (wants_reply && chain_.writable_size < sizeof(fuse_out_header))
      return drop(head, "a request has no room for its answer");
    // The buffer may be larger than the request; the request may be larger than what we look at.
    const auto length = std::min<std::size_t>(header.len, size);
    auto decoded = fuse::decode(std::span{request_}.first(length));
    if (!decoded.request_or_failure) {
      const bool is_write = fuse::is_modifying(header.opcode) && header.len > size;
      if (!is_write)
        log_line(log_level::warning, decoded.request_or_failure.error().detail);
      if (!wants_reply)
        return drop(head, {});
      return answer(head, header.unique, is_write ? EROFS : to_errno(decoded.request_or_failure.error().code),
                    {});
    }
    serve(head, *decoded.request_or_failure, length);
  }

  void serve(std::uint16_t head, fuse::request& asked, std::size_t length) {
    if (asked.opcode == FUSE_INTERRUPT && !interrupt(asked.interrupted))
      for (const auto& sibling : siblings_)
        send(sibling, interrupt_request{asked.interrupted});
    if (fuse::has_no_reply(asked.opcode))
      return complete(head, 0);
    // An answer never exceeds what the guest has room for.
    asked.size =
        std::min(asked.size, chain_.writable_size - static_cast<std::uint32_t>(sizeof(fuse_out_header)));
    if (asked.opcode == FUSE_INIT) {
      const auto slot = begin(head, asked).slot;
      send(parts_.session,
           settle_terms{{request_.begin(), request_.begin() + static_cast<std::ptrdiff_t>(length)},
                        caf::actor_cast<caf::actor>(this),
                        slot});
      return;
    }
    if (const auto settled = answer_of_session(asked, parts_.terms))
      return answer(head, asked.unique, settled->error, settled->body.span());
    hand_on(parts_.router, &home(), begin(head, asked));
  }

  fs_request begin(std::uint16_t head, fuse::request& asked) {
    auto request = slots_.begin(std::move(asked), caf::actor_cast<caf::actor>(this), received_);
    if (request.slot >= askers_.size())
      askers_.resize(request.slot + 1);
    auto& one = askers_[request.slot];
    one.memory = parts_.memory;
    one.places.swap(chain_.writable); // both keep their memory for the next request
    one.size = chain_.writable_size;
    one.head = head;
    return request;
  }

  /// Answers EINTR for a request of this port, if it still waits.
  bool interrupt(std::uint64_t unique) {
    if (slots_.taken() >= most_taken * queue_.size())
      return false; // so many late answers are to come that this one is waited for, too
    const auto slot = slots_.interrupt(unique);
    if (!slot)
      return false;
    give_answer(*slot, unique, EINTR);
    return true;
  }

  void give_answer(std::uint32_t slot, std::uint64_t unique, int error) {
    auto& one = askers_[slot];
    complete(one.head, write_reply({one.places, one.size}, unique, error, {}));
    one.memory.reset();
  }

  // -- answers ---------------------------------------------------------------

  void finish(const fs_reply& reply) {
    if (const auto unique = slots_.unique_of(reply.slot)) {
      auto& one = askers_[reply.slot];
      const reply_buffers to{one.places, one.size};
      const auto extents = reply.extents();
      const auto written = extents.empty() ? write_reply(to, *unique, reply.error, reply.bytes())
                                           : write_reply(to, *unique, extents);
      if (!written) // a thread that may block brings the page
        return pages_.read(caf::actor_cast<caf::actor>(this), reply);
      complete(one.head, *written);
      one.memory.reset();
    }
    slots_.end(reply);
    if (slots_.taken() == 0)
      deliver_stopped();
  }

  /// An answer to the chain in hand.
  void answer(std::uint16_t head, std::uint64_t unique, int error, std::span<const std::byte> body) {
    complete(head, write_reply({chain_.writable, chain_.writable_size}, unique, error, body));
  }

  /// A request that gets no answer: the guest has its buffers back.
  void drop(std::uint16_t head, const std::string& why) {
    if (!why.empty())
      log_line(log_level::warning, "virtqueue " + std::to_string(parts_.number) + ": " + why);
    complete(head, 0);
  }

  void complete(std::uint16_t head, std::uint32_t written) {
    if (in_hand_ == head)
      in_hand_.reset();
    if (parts_.log)
      parts_.log->answering(head);
    queue_.put(head, written);
    if (parts_.log)
      parts_.log->answered(head, queue_.next_used());
    if (++unannounced_ >= answers_per_call_)
      announce();
    else if (!is_serving_ && !std::exchange(is_announcing_, true))
      send(this, announce_answers{}); // comes behind the answers that wait already
  }

  void announce() {
    if (!queue_.has_unannounced())
      return;
    unannounced_ = 0;
    if (queue_.wants_call() && parts_.call)
      signal(*parts_.call);
  }

  static void signal(const unique_fd& event) noexcept {
    const std::uint64_t one = 1;
    (void) !::write(event.get(), &one, sizeof one); // full or gone: the VMM's affair
  }

  // -- life ------------------------------------------------------------------

  void close() {
    if (std::exchange(is_open_, false))
      home().unwatch(parts_.kick->get());
    is_serving_ = false; // serve_queue() does not come again
    announce();
  }

  void break_queue(const failure& why) {
    log_line(log_level::error, "virtqueue " + std::to_string(parts_.number) + " is broken: " + why.detail);
    close();
    if (parts_.error)
      signal(*parts_.error);
  }

  caf::typed_response_promise<queue_stopped> stop() {
    close();
    pending_.push_back(make_response_promise<caf::typed_response_promise<queue_stopped>>());
    auto answer = pending_.back();
    if (slots_.taken() == 0)
      deliver_stopped();
    return answer;
  }

  void deliver_stopped() {
    if (pending_.empty())
      return;
    announce();
    for (auto& one : std::exchange(pending_, {}))
      one.deliver(queue_stopped{queue_.next_available()});
  }

  queue_stopped abandon() {
    for (const auto& one : slots_.inflight().requests)
      if (const auto slot = slots_.interrupt(one.unique))
        give_answer(*slot, one.unique, EIO);
    announce();
    return queue_stopped{queue_.next_available()};
  }

  void move_to(const virtio::guest_memory::shared& memory) {
    if (auto moved = queue_.move_to(*memory); !moved)
      return break_queue(moved.error()); // its rings stay in the old map, so that stays
    parts_.memory = memory;
  }

  virtqueue_port_parts parts_;
  virtio::split_queue queue_;
  virtio::descriptor_chain chain_; // of the request being taken
  std::vector<std::byte> request_; // its bytes, copied once: the guest cannot change them any more
  request_slots slots_;
  page_readers pages_;
  std::vector<asker> askers_;            // by slot
  std::optional<std::uint16_t> in_hand_; // the chain that was taken last, until it is answered
  std::vector<caf::actor> siblings_;
  std::vector<caf::typed_response_promise<queue_stopped>> pending_;
  std::uint64_t received_ = 0; // nanoseconds of the steady clock: when the requests in hand were seen
  int unannounced_ = 0;        // answers
  int answers_per_call_ = fewest_per_call;
  bool is_open_ = true;
  bool is_serving_ = false;    // serve_queue() comes again and announces what was answered
  bool is_announcing_ = false; // announce_answers is on its way
};

} // namespace

caf::actor spawn_virtqueue_port(caf::actor_system& system, reactor& home, virtqueue_port_parts parts) {
  return spawn_pinned<virtqueue_port>(system, home, std::move(parts));
}

} // namespace nydus
