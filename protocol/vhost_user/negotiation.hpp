// SPDX-License-Identifier: Apache-2.0
// The vhost-user conversation without its socket: a message goes in, actions come out (transport.md 1.2
// to 1.6). Knows what a VMM may ask and what a queue still lacks before it can run; holds no descriptor and
// maps nothing. Neighbours: connection brings messages, actors/vmm_conversation carries the actions out.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "protocol/result.hpp"
#include "protocol/vhost_user/message.hpp"
#include "protocol/virtio/split_queue.hpp"

namespace nydus::vhost_user {

/// Queues of a device: queue 0 is the urgent one, the others carry requests.
constexpr std::uint32_t queue_count_limit = 65;

/// A queue as the VMM has described it so far.
struct queue_setup {
  virtio::queue_place place;
  std::uint16_t next_available = 0;
  bool has_place = false;
  bool has_kick = false;
  bool is_enabled = false;
  bool is_running = false; // started, and not stopped since
};

/// What has to be done about a message, in the order of the list. One that fails ends the list.
namespace action {

/// Answer with these bytes.
struct reply {
  std::vector<std::byte> payload;
};
/// The guest's memory is these regions and no others; the message's descriptors, in the same order, are their
/// files.
struct replace_memory {
  std::vector<virtio::memory_region> regions;
};
/// The message's descriptor is the region's file.
struct add_memory {
  virtio::memory_region region;
};
struct remove_memory {
  virtio::memory_region region;
};
enum class notifier : std::uint8_t { kick, call, error };
/// The message's descriptor, or none if it has none, is the queue's from now on.
struct keep_notifier {
  std::uint32_t queue;
  notifier kind;
};
/// Serve the queue as queue() describes it.
struct start_queue {
  std::uint32_t queue;
};
/// Take no more requests from the queue, finish those under way, then call queue_stopped().
struct stop_queue {
  std::uint32_t queue;
};
/// Answer with where the queue, which has stopped, would go on.
struct reply_base {
  std::uint32_t queue;
};
/// Make memory that outlives this process, and answer with it. `reply_size`: bytes of the description to
/// send.
struct make_inflight {
  inflight_description wanted;
  std::size_t reply_size;
};
/// The message's descriptor is such memory, from before.
struct take_inflight {
  inflight_description described;
};
/// The message's descriptor, on which a back end may ask the VMM, is to stay open: QEMU complains of its end.
struct keep_back_channel {};
/// The guest starts anew: what was agreed on with it is void.
struct reset_session {};

} // namespace action

using action_variant = std::variant<action::reply, action::replace_memory, action::add_memory,
                                    action::remove_memory, action::keep_notifier, action::start_queue,
                                    action::stop_queue, action::reply_base, action::make_inflight,
                                    action::take_inflight, action::keep_back_channel, action::reset_session>;
using action_list = std::vector<action_variant>;

/// Threads: one owner. One per connection.
class negotiation {
public:
  negotiation() : queues_(queue_count_limit) {}

  /// What to do about `asked`. malformed ends the session: the VMM does not speak the protocol.
  result<action_list> on_message(const message& asked);

  /// A stopped queue would go on at `next_available`.
  void queue_stopped(std::uint32_t queue, std::uint16_t next_available) noexcept;

  /// Whether the message, once done, is to be answered with 0 or, if it failed, 1: it has no answer of its
  /// own.
  bool wants_acknowledgement(const message& asked) const noexcept;

  const queue_setup& queue(std::uint32_t index) const noexcept { return queues_[index]; }
  /// The features of the device that the guest's driver took.
  std::uint64_t features() const noexcept { return features_; }

  static std::uint64_t offered_features() noexcept;
  static std::uint64_t offered_protocol_features() noexcept;

private:
  result<action_list> set_features(const message& asked);
  result<action_list> set_memory_table(const message& asked);
  result<action_list> change_memory(const message& asked);
  result<action_list> set_vring_address(const message& asked);
  result<action_list> set_vring_value(const message& asked);
  result<action_list> set_vring_descriptor(const message& asked);
  result<action_list> inflight(const message& asked);
  result<action_list> reset_device();

  void start_if_ready(std::uint32_t queue, action_list& actions);
  void stop_if_running(std::uint32_t queue, action_list& actions);

  std::vector<queue_setup> queues_;
  std::uint64_t features_ = 0;
  std::uint64_t protocol_features_ = 0;
};

} // namespace nydus::vhost_user
