// SPDX-License-Identifier: Apache-2.0
// The conversation with one VMM: takes its messages one by one and carries out what each asks for, with the
// guest's memory and the ports of its queues. Neighbours: protocol/vhost_user/negotiation says what a message
// asks for; vhost_user_session lets VMMs in.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "actors/pinned.hpp"
#include "actors/queue_ports.hpp"
#include "protocol/unique_fd.hpp"
#include "protocol/vhost_user/connection.hpp"
#include "protocol/vhost_user/negotiation.hpp"
#include "protocol/virtio/guest_memory.hpp"

namespace nydus {

/// Threads: the reactor of the actor `session` alone.
class vmm_conversation : public std::enable_shared_from_this<vmm_conversation> {
public:
  /// `session` and `places` outlive this. `over` is called once if the VMM hangs up (abandoned) or breaks the
  /// protocol; the conversation has ended then, and may be let go of.
  vmm_conversation(pinned_actor& session, const std::vector<port_place>& places, unique_fd socket,
                   std::function<void(const failure&)> over);

  /// Reads messages from now on. The conversation has to be held by a shared_ptr.
  void begin() { read_on(true); }
  /// Reads no more, and ends the ports. `over` is not called.
  void end();

  queue_ports& ports() noexcept { return ports_; }

private:
  void read_on(bool wanted);
  bool read();
  void hang_up(const failure& why);

  void take(vhost_user::message asked);
  void go_on();
  std::function<void()> continuation();
  void fail(const failure& why);
  void finish(const result<void>& outcome);

  // Each may set `is_waiting`, and then sees to it that continuation()'s function is called.
  result<void> carry_out(const vhost_user::action::reply& answer, bool& is_waiting);
  result<void> carry_out(const vhost_user::action::replace_memory& table, bool& is_waiting);
  result<void> carry_out(const vhost_user::action::add_memory& added, bool& is_waiting);
  result<void> carry_out(const vhost_user::action::remove_memory& removed, bool& is_waiting);
  result<void> carry_out(const vhost_user::action::keep_back_channel& kept, bool& is_waiting);
  result<void> carry_out(const vhost_user::action::keep_notifier& kept, bool& is_waiting);
  result<void> carry_out(const vhost_user::action::start_queue& started, bool& is_waiting);
  result<void> carry_out(const vhost_user::action::stop_queue& stopped, bool& is_waiting);
  result<void> carry_out(const vhost_user::action::reply_base& wanted, bool& is_waiting);
  result<void> carry_out(const vhost_user::action::make_inflight& wanted, bool& is_waiting);
  result<void> carry_out(const vhost_user::action::take_inflight& taken, bool& is_waiting);
  result<void> carry_out(const vhost_user::action::reset_session& reset, bool& is_waiting);
  result<void> use_memory(virtio::guest_memory::shared memory, bool& is_waiting);

  pinned_actor& session_; // outlives this
  vhost_user::connection link_;
  std::function<void(const failure&)> over_;
  vhost_user::negotiation terms_;
  unique_fd back_channel_; // we ask the VMM nothing
  virtio::guest_memory::shared memory_ = std::make_shared<const virtio::guest_memory>();
  std::shared_ptr<vhost_user::inflight_memory> inflight_;
  queue_ports ports_;
  bool is_reading_ = false;
  bool has_ended_ = false;

  // The message in hand; no other is read before it is done.
  std::optional<vhost_user::message> asked_;
  vhost_user::action_list actions_;
  std::size_t done_ = 0; // of the actions
};

} // namespace nydus
