// SPDX-License-Identifier: Apache-2.0
#include "protocol/vhost_user/negotiation.hpp"

#include <bit>
#include <cstring>
#include <string>

#include "protocol/bytes/byte_reader.hpp"
#include "protocol/virtio/ring_layout.hpp"

namespace nydus::vhost_user {

namespace {

failure refused(const message& asked, const std::string& why) {
  return {errc::malformed, std::string{"vhost-user "} + name_of(asked.id) + ": " + why};
}

/// The payload as exactly one T.
template <class T>
result<T> payload_of(const message& asked) {
  T payload;
  if (asked.payload.size() != sizeof payload)
    return refused(asked, "payload of " + std::to_string(asked.payload.size()) + " bytes, not " +
                              std::to_string(sizeof payload));
  std::memcpy(&payload, asked.payload.data(), sizeof payload);
  return payload;
}

result<void> check_descriptors(const message& asked, std::size_t least, std::size_t most) {
  if (asked.descriptors.size() < least || asked.descriptors.size() > most)
    return refused(asked, "with " + std::to_string(asked.descriptors.size()) + " descriptors");
  return {};
}

template <class T>
action_list reply_with(const T& payload) {
  const auto bytes = std::as_bytes(std::span{&payload, 1});
  action_list actions;
  actions.emplace_back(action::reply{{bytes.begin(), bytes.end()}});
  return actions;
}

/// Descriptors that may come with a message of this kind: least and most.
std::pair<std::size_t, std::size_t> descriptor_bounds(request id) noexcept {
  switch (id) {
  case request::set_mem_table:
    return {0, most_table_regions}; // counted against the table later
  case request::add_mem_reg:
  case request::set_backend_req_fd:
  case request::set_inflight_fd:
    return {1, 1};
  case request::rem_mem_reg: // some send the region's file once more
  case request::set_vring_kick:
  case request::set_vring_call:
  case request::set_vring_err:
    return {0, 1};
  default:
    return {0, 0};
  }
}

} // namespace

std::uint64_t negotiation::offered_features() noexcept {
  return virtio::feature::version_1 | virtio::feature::indirect_descriptors | virtio::feature::event_index |
         has_protocol_features;
}

std::uint64_t negotiation::offered_protocol_features() noexcept {
  return protocol_feature::multiple_queues | protocol_feature::reply_ack | protocol_feature::backend_request |
         protocol_feature::inflight_memory | protocol_feature::reset_device | protocol_feature::memory_slots;
}

result<action_list> negotiation::on_message(const message& asked) {
  const auto [least, most] = descriptor_bounds(asked.id);
  if (auto checked = check_descriptors(asked, least, most); !checked)
    return checked.error();
  switch (asked.id) {
  case request::get_features:
    return reply_with(offered_features());
  case request::get_protocol_features:
    return reply_with(offered_protocol_features());
  case request::get_queue_num:
    return reply_with(std::uint64_t{queue_count_limit});
  case request::get_max_mem_slots:
    return reply_with(std::uint64_t{virtio::most_regions});
  case request::set_owner:
  case request::reset_owner: // deprecated, and of no use to a file system
    return action_list{};
  case request::set_backend_req_fd: {
    action_list actions;
    actions.emplace_back(action::keep_back_channel{});
    return actions;
  }
  case request::set_features:
  case request::set_protocol_features:
    return set_features(asked);
  case request::set_mem_table:
    return set_memory_table(asked);
  case request::add_mem_reg:
  case request::rem_mem_reg:
    return change_memory(asked);
  case request::set_vring_addr:
    return set_vring_address(asked);
  case request::set_vring_num:
  case request::set_vring_base:
  case request::get_vring_base:
  case request::set_vring_enable:
    return set_vring_value(asked);
  case request::set_vring_kick:
  case request::set_vring_call:
  case request::set_vring_err:
    return set_vring_descriptor(asked);
  case request::get_inflight_fd:
  case request::set_inflight_fd:
    return inflight(asked);
  case request::reset_device:
    return reset_device();
  }
  return failure{errc::malformed, "vhost-user message " +
                                      std::to_string(static_cast<std::uint32_t>(asked.id)) +
                                      " is not known here"};
}

result<action_list> negotiation::set_features(const message& asked) {
  const auto taken = payload_of<std::uint64_t>(asked);
  if (!taken)
    return taken.error();
  const bool is_protocol = asked.id == request::set_protocol_features;
  const auto offered = is_protocol ? offered_protocol_features() : offered_features();
  if ((*taken & ~offered) != 0)
    return refused(asked, "bits " + std::to_string(*taken & ~offered) + " were not offered");
  action_list actions;
  if (is_protocol) {
    protocol_features_ = *taken;
    return actions;
  }
  features_ = *taken;
  if ((features_ & has_protocol_features) == 0) // SET_VRING_ENABLE will not come
    for (std::uint32_t i = 0; i < queues_.size(); ++i) {
      queues_[i].is_enabled = true;
      start_if_ready(i, actions);
    }
  return actions;
}

// -- memory -------------------------------------------------------------------

result<action_list> negotiation::set_memory_table(const message& asked) {
  byte_reader bytes{asked.payload};
  const auto head = bytes.take<memory_table_head>();
  if (!head || head->count > most_table_regions || bytes.remaining() != head->count * sizeof(region_record))
    return refused(asked, "a table of " + std::to_string(asked.payload.size()) + " bytes");
  if (asked.descriptors.size() != head->count)
    return refused(asked, std::to_string(asked.descriptors.size()) + " descriptors for " +
                              std::to_string(head->count) + " regions");
  action::replace_memory table;
  for (std::uint32_t i = 0; i < head->count; ++i)
    table.regions.push_back(bytes.take<region_record>()->described());
  action_list actions;
  actions.emplace_back(std::move(table));
  return actions;
}

result<action_list> negotiation::change_memory(const message& asked) {
  const auto change = payload_of<one_region>(asked);
  if (!change)
    return change.error();
  action_list actions;
  if (asked.id == request::add_mem_reg)
    actions.emplace_back(action::add_memory{change->region.described()});
  else
    actions.emplace_back(action::remove_memory{change->region.described()});
  return actions;
}

// -- queues -------------------------------------------------------------------

void negotiation::start_if_ready(std::uint32_t queue, action_list& actions) {
  auto& setup = queues_[queue];
  if (setup.is_running || !setup.is_enabled || !setup.has_kick || !setup.has_place || setup.place.size == 0)
    return;
  setup.is_running = true;
  actions.emplace_back(action::start_queue{queue});
}

void negotiation::stop_if_running(std::uint32_t queue, action_list& actions) {
  auto& setup = queues_[queue];
  if (!setup.is_running)
    return;
  setup.is_running = false;
  actions.emplace_back(action::stop_queue{queue});
}

void negotiation::queue_stopped(std::uint32_t queue, std::uint16_t next_available) noexcept {
  queues_[queue].next_available = next_available;
}

result<action_list> negotiation::set_vring_address(const message& asked) {
  const auto address = payload_of<vring_address>(asked);
  if (!address)
    return address.error();
  if (address->index >= queue_count_limit)
    return refused(asked, "queue " + std::to_string(address->index));
  action_list actions;
  stop_if_running(address->index, actions); // it may move while it runs
  auto& setup = queues_[address->index];
  setup.place.descriptors = virtio::user_address{address->descriptors};
  setup.place.available = virtio::user_address{address->available};
  setup.place.used = virtio::user_address{address->used};
  setup.has_place = true;
  start_if_ready(address->index, actions);
  return actions;
}

result<action_list> negotiation::set_vring_value(const message& asked) {
  const auto state = payload_of<vring_state>(asked);
  if (!state)
    return state.error();
  const auto index = state->index;
  if (index >= queue_count_limit)
    return refused(asked, "queue " + std::to_string(index));
  auto& setup = queues_[index];
  if (setup.is_running && (asked.id == request::set_vring_num || asked.id == request::set_vring_base))
    return refused(asked, "queue " + std::to_string(index) + " is running");
  action_list actions;
  switch (asked.id) {
  case request::set_vring_num:
    if (!std::has_single_bit(state->value) || state->value > virtio::largest_queue)
      return refused(asked, "queue " + std::to_string(index) + " of " + std::to_string(state->value) +
                                " descriptors");
    setup.place.size = state->value;
    break;
  case request::set_vring_base:
    if (state->value > 0xffff)
      return refused(asked, "queue " + std::to_string(index) + " at " + std::to_string(state->value));
    setup.next_available = static_cast<std::uint16_t>(state->value);
    break;
  case request::get_vring_base:
    stop_if_running(index, actions);
    setup.has_kick = false;
    actions.emplace_back(action::reply_base{index});
    return actions;
  default: // SET_VRING_ENABLE
    if (state->value > 1)
      return refused(asked, "value " + std::to_string(state->value));
    setup.is_enabled = state->value == 1;
    if (!setup.is_enabled)
      stop_if_running(index, actions);
    break;
  }
  start_if_ready(index, actions);
  return actions;
}

result<action_list> negotiation::set_vring_descriptor(const message& asked) {
  const auto word = payload_of<std::uint64_t>(asked);
  if (!word)
    return word.error();
  const auto index = static_cast<std::uint32_t>(*word & vring_descriptor::index_mask);
  const bool has_none = (*word & vring_descriptor::no_descriptor) != 0;
  if (index >= queue_count_limit)
    return refused(asked, "queue " + std::to_string(index));
  if (has_none != asked.descriptors.empty())
    return refused(asked, "the descriptor is there or not, against what the message says");
  action_list actions;
  if (asked.id == request::set_vring_kick) {
    if (has_none)
      return refused(asked, "a queue without kicks would have to be polled");
    stop_if_running(index, actions);
    queues_[index].has_kick = true;
    actions.emplace_back(action::keep_notifier{index, action::notifier::kick});
    start_if_ready(index, actions);
    return actions;
  }
  const bool is_call = asked.id == request::set_vring_call;
  actions.emplace_back(
      action::keep_notifier{index, is_call ? action::notifier::call : action::notifier::error});
  return actions;
}

// -- the rest -----------------------------------------------------------------

result<action_list> negotiation::inflight(const message& asked) {
  inflight_description described{};
  if (asked.payload.size() < inflight_description_size || asked.payload.size() > sizeof described)
    return refused(asked, "payload of " + std::to_string(asked.payload.size()) + " bytes");
  std::memcpy(&described, asked.payload.data(), asked.payload.size());
  if (described.queue_count == 0 || described.queue_count > queue_count_limit ||
      !std::has_single_bit(described.queue_size) || described.queue_size > virtio::largest_queue)
    return refused(asked, std::to_string(described.queue_count) + " queues of " +
                              std::to_string(described.queue_size) + " descriptors");
  action_list actions;
  if (asked.id == request::get_inflight_fd) {
    actions.emplace_back(action::make_inflight{described, asked.payload.size()});
    return actions;
  }
  for (std::uint32_t i = 0; i < queues_.size(); ++i)
    if (queues_[i].is_running)
      return refused(asked, "queue " + std::to_string(i) + " is running");
  actions.emplace_back(action::take_inflight{described});
  return actions;
}

result<action_list> negotiation::reset_device() {
  action_list actions;
  for (std::uint32_t i = 0; i < queues_.size(); ++i) {
    stop_if_running(i, actions);
    queues_[i].is_enabled = false;
  }
  actions.emplace_back(action::reset_session{});
  return actions;
}

bool negotiation::wants_acknowledgement(const message& asked) const noexcept {
  if (!asked.needs_reply || (protocol_features_ & protocol_feature::reply_ack) == 0)
    return false;
  switch (asked.id) {
  case request::get_features:
  case request::get_protocol_features:
  case request::get_queue_num:
  case request::get_max_mem_slots:
  case request::get_vring_base:
  case request::get_inflight_fd:
    return false;
  default:
    return true;
  }
}

} // namespace nydus::vhost_user
