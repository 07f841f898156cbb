// SPDX-License-Identifier: Apache-2.0
#include "test/fakes/fake_vmm.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace nydus::fake {
namespace {

template <class T>
T take(const wire_answer& answer) {
  T value{};
  if (answer.payload.size() < sizeof value)
    throw peer_error("answer to message " + std::to_string(answer.header.request) + " has " +
                     std::to_string(answer.payload.size()) + " bytes, not " + std::to_string(sizeof value));
  std::memcpy(&value, answer.payload.data(), sizeof value);
  return value;
}

wire_region described(const memory_region& region) {
  return {region.start(), region.size(), region.user_address(), region.file_offset()};
}
const wire_region& described(const wire_region& region) {
  return region;
}

} // namespace

void fake_vmm::introduce(queue_list queues) {
  const std::uint64_t offered = ask_number(ask::get_features);
  features_ = offered & options_.features;
  if ((features_ & feature_protocol_features) != 0) {
    std::uint64_t wanted = options_.protocol_features;
    if (!options_.memory_slots)
      wanted &= ~protocol_memory_slots;
    protocol_features_ = ask_number(ask::get_protocol_features) & wanted;
    tell(ask::set_protocol_features, bytes_of(protocol_features_));
    if ((protocol_features_ & protocol_mq) != 0)
      queue_count_ = ask_number(ask::get_queue_num);
    if ((protocol_features_ & protocol_memory_slots) != 0)
      (void) ask_number(ask::get_max_mem_slots);
    if ((protocol_features_ & protocol_backend_req) != 0) {
      int pair[2];
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        throw std::runtime_error("no socket pair");
      back_end_requests_ = unique_fd{pair[0]};
      const unique_fd theirs{pair[1]};
      const int passed = theirs.get();
      tell(ask::set_backend_req_fd, {}, {&passed, 1}, true);
    }
  }
  tell(ask::set_owner, {});
  (void) ask_number(ask::get_features); // QEMU asks twice
  for (const driver_queue* queue : queues)
    set_events(*queue);
}

void fake_vmm::start(const guest_memory& memory, queue_list queues, std::span<const std::uint16_t> bases) {
  for (const driver_queue* queue : queues)
    say_event(ask::set_vring_call, queue->index(), queue->call_descriptor());
  tell(ask::set_features, bytes_of(features_));
  if ((protocol_features_ & protocol_status) != 0) {
    const std::uint64_t driver_ok = ask_number(ask::get_status) | 1 | 2 | 4 | 8;
    tell(ask::set_status, bytes_of(driver_ok));
  }
  set_memory(memory);
  for (std::size_t i = 0; i < queues.size(); ++i)
    start_queue(memory, *queues[i], bases.empty() ? std::uint16_t{0} : bases[i]);
  if ((features_ & feature_protocol_features) != 0)
    for (const driver_queue* queue : queues)
      enable_queue(queue->index(), true);
  for (const driver_queue* queue : queues)
    say_event(ask::set_vring_call, queue->index(), queue->call_descriptor());
  if (options_.waits_for_start)
    (void) ask_number(ask::get_features);
}

std::vector<std::uint16_t> fake_vmm::stop(queue_list queues) {
  for (const driver_queue* queue : queues)
    enable_queue(queue->index(), false);
  std::vector<std::uint16_t> bases;
  for (const driver_queue* queue : queues)
    bases.push_back(stop_queue(queue->index()));
  for (const driver_queue* queue : queues)
    say_event(ask::set_vring_call, queue->index(), queue->call_descriptor());
  return bases;
}

void fake_vmm::set_memory(const guest_memory& memory) {
  if ((protocol_features_ & protocol_memory_slots) != 0) {
    const auto known = slots_;
    auto starts_at = [](std::uint64_t address) {
      return [address](const auto& region) { return described(region).guest_address == address; };
    };
    for (const auto& gone : known)
      if (std::none_of(memory.regions().begin(), memory.regions().end(), starts_at(gone.guest_address)))
        remove_region(gone);
    for (const auto& region : memory.regions())
      if (std::none_of(known.begin(), known.end(), starts_at(region.start())))
        add_region(region);
    return;
  }
  std::vector<std::byte> payload;
  std::vector<int> files;
  const wire_memory_table table{static_cast<std::uint32_t>(memory.regions().size()), 0};
  payload.insert(payload.end(), bytes_of(table).begin(), bytes_of(table).end());
  for (const auto& region : memory.regions()) {
    const wire_region row = described(region);
    payload.insert(payload.end(), bytes_of(row).begin(), bytes_of(row).end());
    files.push_back(region.file());
  }
  tell(ask::set_mem_table, payload, files, true);
}

void fake_vmm::add_region(const memory_region& region) {
  const wire_memory_slot slot{0, described(region)};
  const int file = region.file();
  tell(ask::add_mem_reg, bytes_of(slot), {&file, 1}, true);
  slots_.push_back(slot.region);
}

void fake_vmm::remove_region(const wire_region& region) {
  const wire_memory_slot slot{0, region};
  tell(ask::rem_mem_reg, bytes_of(slot), {}, true);
  std::erase_if(slots_,
                [&](const wire_region& known) { return known.guest_address == slot.region.guest_address; });
}

void fake_vmm::start_queue(const guest_memory& memory, const driver_queue& queue, std::uint16_t base) {
  const vhost_vring_state size{queue.index(), queue.size()};
  tell(ask::set_vring_num, bytes_of(size));
  const vhost_vring_state first{queue.index(), base};
  tell(ask::set_vring_base, bytes_of(first));
  const vhost_vring_addr rings{.index = queue.index(),
                               .flags = 0,
                               .desc_user_addr = memory.user_address(queue.descriptor_address()),
                               .used_user_addr = memory.user_address(queue.used_address()),
                               .avail_user_addr = memory.user_address(queue.available_address()),
                               .log_guest_addr = queue.used_address()};
  tell(ask::set_vring_addr, bytes_of(rings));
  say_event(ask::set_vring_kick, queue.index(), queue.kick_descriptor());
}

void fake_vmm::set_events(const driver_queue& queue) {
  say_event(ask::set_vring_call, queue.index(), queue.call_descriptor());
  say_event(ask::set_vring_err, queue.index(), queue.error_descriptor());
}

void fake_vmm::enable_queue(unsigned index, bool enabled) {
  const vhost_vring_state state{index, enabled ? 1u : 0u};
  tell(ask::set_vring_enable, bytes_of(state));
}

std::uint16_t fake_vmm::stop_queue(unsigned index) {
  const vhost_vring_state question{index, 0};
  if (!send(ask::get_vring_base, bytes_of(question)))
    throw peer_error("the back end hung up before GET_VRING_BASE");
  const auto state = take<vhost_vring_state>(expect(ask::get_vring_base));
  if (state.index != index || state.num > UINT16_MAX)
    throw peer_error("GET_VRING_BASE of queue " + std::to_string(index) + " is answered for queue " +
                     std::to_string(state.index) + " with " + std::to_string(state.num));
  return static_cast<std::uint16_t>(state.num);
}

void fake_vmm::reset_device() {
  if ((protocol_features_ & protocol_reset_device) != 0)
    tell(ask::reset_device, {});
}

inflight_area fake_vmm::get_inflight(std::uint16_t queue_count, std::uint16_t queue_size) {
  const wire_inflight wanted{0, 0, queue_count, queue_size, 0};
  if (!send(ask::get_inflight_fd, bytes_of(wanted)))
    throw peer_error("the back end hung up before GET_INFLIGHT_FD");
  wire_answer answer = expect(ask::get_inflight_fd);
  answer.payload.resize(sizeof(wire_inflight)); // 20 bytes are enough: the last four pad
  if (answer.descriptors.size() != 1)
    throw peer_error("GET_INFLIGHT_FD is answered with " + std::to_string(answer.descriptors.size()) +
                     " descriptors");
  return {std::move(answer.descriptors.front()), take<wire_inflight>(answer)};
}

void fake_vmm::set_inflight(const inflight_area& area) {
  const int file = area.file.get();
  tell(ask::set_inflight_fd, bytes_of(area.shape), {&file, 1});
}

void fake_vmm::say_event(ask request, unsigned index, int descriptor) {
  const std::uint64_t payload = index;
  tell(request, bytes_of(payload), {&descriptor, 1});
}

void fake_vmm::tell(ask request, std::span<const std::byte> payload, std::span<const int> descriptors,
                    bool need_reply) {
  const bool acknowledged = need_reply && (protocol_features_ & protocol_reply_ack) != 0;
  if (!send(request, payload, descriptors, wire_version | (acknowledged ? wire_need_reply : 0)))
    throw peer_error("the back end hung up before message " + std::to_string(static_cast<unsigned>(request)));
  if (!acknowledged)
    return;
  if (const auto refusal = take<std::uint64_t>(expect(request)); refusal != 0)
    throw peer_error("the back end refuses message " + std::to_string(static_cast<unsigned>(request)) +
                     " with " + std::to_string(refusal));
}

std::uint64_t fake_vmm::ask_number(ask request, std::span<const std::byte> payload,
                                   std::span<const int> descriptors, std::uint32_t flags) {
  if (!send(request, payload, descriptors, flags))
    throw peer_error("the back end hung up before message " + std::to_string(static_cast<unsigned>(request)));
  return take<std::uint64_t>(expect(request));
}

wire_answer fake_vmm::expect(ask request) {
  auto answer = receive();
  if (!answer)
    throw peer_error("the back end hung up instead of answering message " +
                     std::to_string(static_cast<unsigned>(request)));
  if (answer->header.request != static_cast<std::uint32_t>(request) ||
      (answer->header.flags & 7) != (wire_version | wire_reply))
    throw peer_error("message " + std::to_string(static_cast<unsigned>(request)) +
                     " is answered by message " + std::to_string(answer->header.request) + " with flags " +
                     std::to_string(answer->header.flags));
  return std::move(*answer);
}

} // namespace nydus::fake
