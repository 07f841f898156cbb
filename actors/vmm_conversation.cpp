// SPDX-License-Identifier: Apache-2.0
#include "actors/vmm_conversation.hpp"

#include <fcntl.h>
#include <sys/epoll.h>

#include <span>
#include <utility>
#include <variant>

#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "actors/virtqueue_port.hpp"

namespace nydus {

using namespace vhost_user;

namespace {

result<virtio::guest_memory::shared> add_region(const virtio::guest_memory& memory,
                                                const virtio::memory_region& described,
                                                const unique_fd& file) {
  auto region = virtio::mapped_region::map(described, file);
  if (!region)
    return region.error();
  return memory.with(std::move(*region));
}

} // namespace

vmm_conversation::vmm_conversation(pinned_actor& session, const std::vector<port_place>& places,
                                   unique_fd socket, std::function<void(const failure&)> over)
    : session_(session), link_(std::move(socket)), over_(std::move(over)), ports_(session, places) {}

void vmm_conversation::end() {
  has_ended_ = true;
  read_on(false);
  ports_.end();
}

/// Whether the socket's messages are read: not while one is in hand.
void vmm_conversation::read_on(bool wanted) {
  if (wanted == is_reading_)
    return;
  is_reading_ = wanted;
  if (wanted)
    session_.home().watch(link_.fd(), EPOLLIN, [self = weak_from_this()](std::uint32_t) {
      const auto here = self.lock(); // held: `over` may let go of it
      return here && here->session_.survive([&] { return here->read(); },
                                            [&] {
                                              here->hang_up({errc::unavailable, "the VMM is let go of"});
                                              return false;
                                            });
    });
  else
    session_.home().unwatch(link_.fd());
}

/// Takes one message; true if there may be another, after whoever else has work.
bool vmm_conversation::read() {
  auto received = link_.receive();
  if (!received)
    hang_up(received.error());
  else if (*received)
    take(std::move(**received));
  return received && *received && is_reading_;
}

void vmm_conversation::hang_up(const failure& why) {
  end();
  over_(why);
}

// -- messages ----------------------------------------------------------------

void vmm_conversation::take(message asked) {
  auto actions = terms_.on_message(asked);
  if (!actions)
    return hang_up(actions.error());
  asked_ = std::move(asked);
  actions_ = std::move(*actions);
  done_ = 0;
  go_on();
}

/// Carries out actions until one has to be waited for, or all are done.
void vmm_conversation::go_on() {
  while (done_ < actions_.size()) {
    const auto& next = actions_[done_++];
    bool is_waiting = false;
    const auto outcome = std::visit([&](const auto& action) { return carry_out(action, is_waiting); }, next);
    if (!outcome)
      return fail(outcome.error());
    if (is_waiting)
      return read_on(false);
  }
  finish({});
}

/// Goes on where go_on() had to wait, if that VMM is still there.
std::function<void()> vmm_conversation::continuation() {
  return [self = weak_from_this()] {
    if (const auto here = self.lock(); here && !here->has_ended_)
      here->go_on();
  };
}

void vmm_conversation::fail(const failure& why) {
  if (!terms_.wants_acknowledgement(*asked_))
    return hang_up(why);
  log_line(log_level::error, why.detail);
  finish(why);
}

void vmm_conversation::finish(const result<void>& outcome) {
  const auto asked = std::move(*asked_);
  asked_.reset();
  if (terms_.wants_acknowledgement(asked)) {
    const std::uint64_t answer = outcome ? 0 : 1;
    if (auto sent = link_.reply(asked.id, std::as_bytes(std::span{&answer, 1})); !sent)
      return hang_up(sent.error());
  }
  read_on(true);
}

// -- memory ------------------------------------------------------------------

result<void> vmm_conversation::carry_out(const action::replace_memory& table, bool& is_waiting) {
  auto memory = std::make_shared<const virtio::guest_memory>();
  for (std::size_t i = 0; i < table.regions.size(); ++i) {
    auto added = add_region(*memory, table.regions[i], asked_->descriptors[i]);
    if (!added)
      return added.error();
    memory = std::move(*added);
  }
  return use_memory(std::move(memory), is_waiting);
}

result<void> vmm_conversation::carry_out(const action::add_memory& added, bool& is_waiting) {
  auto memory = add_region(*memory_, added.region, asked_->descriptors.front());
  if (!memory)
    return memory.error();
  return use_memory(std::move(*memory), is_waiting);
}

result<void> vmm_conversation::carry_out(const action::remove_memory& removed, bool& is_waiting) {
  auto memory = memory_->without(removed.region);
  if (!memory)
    return memory.error();
  return use_memory(std::move(*memory), is_waiting);
}

/// The VMM may rely on the change once it is answered: all ports have to know it before.
result<void> vmm_conversation::use_memory(virtio::guest_memory::shared memory, bool& is_waiting) {
  memory_ = memory;
  is_waiting = ports_.tell<memory_taken>(take_memory{std::move(memory)}, continuation());
  return {};
}

result<void> vmm_conversation::carry_out(const action::make_inflight& wanted, bool&) {
  auto described = wanted.wanted;
  unique_fd file;
  auto memory = inflight_memory::make(described, file);
  if (!memory)
    return memory.error();
  inflight_ = std::move(*memory);
  return link_.reply(asked_->id, std::as_bytes(std::span{&described, 1}).first(wanted.reply_size),
                     file.get());
}

result<void> vmm_conversation::carry_out(const action::take_inflight& taken, bool&) {
  auto memory = inflight_memory::map(taken.described, asked_->descriptors.front());
  if (!memory)
    return memory.error();
  inflight_ = std::move(*memory);
  return {};
}

// -- queues ------------------------------------------------------------------

result<void> vmm_conversation::carry_out(const action::keep_notifier& kept, bool&) {
  shared_fd descriptor;
  if (!asked_->descriptors.empty()) {
    descriptor = std::make_shared<const unique_fd>(std::move(asked_->descriptors.front()));
    // A reactor writes to it: one that nobody empties must not hold it up.
    ::fcntl(descriptor->get(), F_SETFL, ::fcntl(descriptor->get(), F_GETFL) | O_NONBLOCK);
  }
  ports_.keep_notifier(kept.queue, kept.kind, std::move(descriptor));
  return {};
}

result<void> vmm_conversation::carry_out(const action::start_queue& started, bool&) {
  ports_.start({started.queue, terms_.queue(started.queue), terms_.features(), memory_, inflight_});
  return {};
}

result<void> vmm_conversation::carry_out(const action::stop_queue& stopped, bool& is_waiting) {
  is_waiting = ports_.stop(stopped.queue, [self = shared_from_this(), number = stopped.queue,
                                           go = continuation()](std::optional<std::uint16_t> next_available) {
    if (next_available)
      self->terms_.queue_stopped(number, *next_available);
    go();
  });
  return {};
}

// -- what needs neither ------------------------------------------------------

result<void> vmm_conversation::carry_out(const action::reply& answer, bool&) {
  return link_.reply(asked_->id, answer.payload);
}

result<void> vmm_conversation::carry_out(const action::reply_base& wanted, bool&) {
  const vring_state base{wanted.queue, terms_.queue(wanted.queue).next_available};
  return link_.reply(asked_->id, std::as_bytes(std::span{&base, 1}));
}

result<void> vmm_conversation::carry_out(const action::keep_back_channel&, bool&) {
  back_channel_ = std::move(asked_->descriptors.front());
  return {};
}

result<void> vmm_conversation::carry_out(const action::reset_session&, bool&) {
  ports_.agree({});
  return {};
}

} // namespace nydus
