// SPDX-License-Identifier: Apache-2.0
#include "protocol/virtio/split_queue.hpp"

#include <atomic>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "protocol/virtio/ring_layout.hpp"

namespace nydus::virtio {

namespace {

static_assert(std::endian::native == std::endian::little, "rings are little-endian and read as they are");

/// A 16-bit field that the guest's CPUs see too. attach() has checked the alignment.
std::atomic_ref<std::uint16_t> shared_field(std::byte* ring, std::size_t offset) noexcept {
  return std::atomic_ref<std::uint16_t>{*reinterpret_cast<std::uint16_t*>(ring + offset)};
}

failure misplaced(const char* area, user_address address, const char* why) {
  return {errc::malformed, std::string{"virtqueue: "} + area + " at " +
                               std::to_string(static_cast<std::uint64_t>(address)) + " " + why};
}

result<std::byte*> place_area(const guest_memory& memory, const char* area, user_address address,
                              std::size_t size, std::size_t alignment) {
  auto* place = memory.find(address, size);
  if (place == nullptr)
    return misplaced(area, address, "is not in one region of the guest's memory");
  // The place in this process has to be aligned, too: atomics need it.
  if (static_cast<std::uint64_t>(address) % alignment != 0 ||
      reinterpret_cast<std::uintptr_t>(place) % alignment != 0)
    return misplaced(area, address, "is not aligned");
  return place;
}

} // namespace

result<split_queue> split_queue::attach(const guest_memory& memory, const queue_place& place,
                                        std::uint64_t features, std::uint16_t next_available) {
  if (!std::has_single_bit(place.size) || place.size > largest_queue)
    return failure{errc::malformed, "virtqueue: size " + std::to_string(place.size) +
                                        " is no power of two up to " + std::to_string(largest_queue)};
  split_queue queue;
  queue.place_ = place;
  queue.table_.count = static_cast<std::uint16_t>(place.size);
  queue.table_.may_be_indirect = (features & feature::indirect_descriptors) != 0;
  queue.has_event_index_ = (features & feature::event_index) != 0;
  queue.next_available_ = next_available;
  if (auto moved = queue.move_to(memory); !moved)
    return moved.error();
  queue.next_used_ = queue.announced_used_ =
      shared_field(queue.used_, used_ring::index_offset).load(std::memory_order_relaxed);
  return queue;
}

result<void> split_queue::move_to(const guest_memory& memory) {
  const std::size_t size = place_.size;
  const auto descriptors = place_area(memory, "table of descriptors", place_.descriptors,
                                      size * sizeof(descriptor), descriptor_alignment);
  if (!descriptors)
    return descriptors.error();
  const auto available = place_area(memory, "available ring", place_.available,
                                    available_ring::byte_size(size), available_alignment);
  if (!available)
    return available.error();
  const auto used = place_area(memory, "used ring", place_.used, used_ring::byte_size(size), used_alignment);
  if (!used)
    return used.error();
  table_.start = *descriptors;
  available_ = *available;
  used_ = *used;
  return {};
}

result<std::uint16_t> split_queue::waiting() const {
  const auto index = shared_field(available_, available_ring::index_offset).load(std::memory_order_acquire);
  const auto count = static_cast<std::uint16_t>(index - next_available_);
  if (count > place_.size)
    return failure{errc::malformed, "virtqueue: " + std::to_string(count) + " requests in a queue of " +
                                        std::to_string(place_.size)};
  return count;
}

bool split_queue::has_waiting() const noexcept {
  return shared_field(available_, available_ring::index_offset).load(std::memory_order_relaxed) !=
         next_available_;
}

result<std::uint16_t> split_queue::take() {
  const auto place = available_ring::heads_offset + 2u * (next_available_ & (place_.size - 1));
  const auto head = shared_field(available_, place).load(std::memory_order_relaxed);
  if (head >= place_.size)
    return failure{errc::malformed, "virtqueue: request at descriptor " + std::to_string(head) + " of " +
                                        std::to_string(place_.size)};
  ++next_available_;
  return head;
}

void split_queue::put(std::uint16_t head, std::uint32_t written) noexcept {
  const used_element element{std::uint32_t{head}, written};
  std::memcpy(used_ + used_ring::elements_offset + sizeof element * (next_used_ & (place_.size - 1)),
              &element, sizeof element);
  ++next_used_;
  shared_field(used_, used_ring::index_offset).store(next_used_, std::memory_order_release);
}

bool split_queue::wants_call() noexcept {
  const auto before = std::exchange(announced_used_, next_used_);
  // The guest writes its wish and then looks at the index; we write the index and then look at its wish.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!has_event_index_)
    return (shared_field(available_, available_ring::flags_offset).load(std::memory_order_relaxed) &
            available_ring::no_interrupt) == 0;
  const auto event = shared_field(available_, available_ring::used_event_offset(place_.size))
                         .load(std::memory_order_relaxed);
  // Whether `event` is one of the answers [before, next_used_), modulo 65536.
  return static_cast<std::uint16_t>(next_used_ - event - 1) < static_cast<std::uint16_t>(next_used_ - before);
}

void split_queue::suppress_kicks() noexcept {
  if (!kicks_are_wanted_)
    return;
  kicks_are_wanted_ = false;
  if (!has_event_index_) // with it, the event asked for last has passed and no other comes
    shared_field(used_, used_ring::flags_offset).store(used_ring::no_kick, std::memory_order_relaxed);
}

bool split_queue::want_kicks() noexcept {
  kicks_are_wanted_ = true;
  if (has_event_index_)
    shared_field(used_, used_ring::available_event_offset(place_.size))
        .store(next_available_, std::memory_order_relaxed);
  else
    shared_field(used_, used_ring::flags_offset).store(0, std::memory_order_relaxed);
  // We write our wish and then look at the index; the guest writes the index and then looks at our wish.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return !has_waiting();
}

} // namespace nydus::virtio
