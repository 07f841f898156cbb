// SPDX-License-Identifier: Apache-2.0
// The split virtqueue as it lies in guest memory (virtio 1.2, section 2.7). No logic: split_queue and
// descriptor_chain read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "protocol/bytes/little_endian.hpp"

namespace nydus::virtio {

/// A buffer of a request. Many are chained to one request.
struct descriptor {
  le64 address; // guest physical
  le32 length;  // bytes
  le16 flags;   // descriptor_flag bits
  le16 next;    // index of the next one, if flags say so
};
static_assert(sizeof(descriptor) == 16 && alignof(descriptor) == 1);
static_assert(std::is_trivially_copyable_v<descriptor>);

namespace descriptor_flag {
constexpr std::uint16_t next = 1;
constexpr std::uint16_t device_writes = 2; // else the device reads
constexpr std::uint16_t indirect = 4;      // the buffer holds a table of descriptors
} // namespace descriptor_flag

/// A request that is done.
struct used_element {
  le32 id;     // index of the first descriptor of its chain
  le32 length; // bytes that were written
};
static_assert(sizeof(used_element) == 8 && alignof(used_element) == 1);

/// The driver's ring of requests: flags, index, `size` heads, used_event. 16 bits each.
namespace available_ring {
constexpr std::size_t flags_offset = 0;
constexpr std::size_t index_offset = 2;
constexpr std::size_t heads_offset = 4;
constexpr std::uint16_t no_interrupt = 1; // of flags: wants no notification
constexpr std::size_t used_event_offset(std::size_t queue_size) noexcept {
  return heads_offset + 2 * queue_size;
}
constexpr std::size_t byte_size(std::size_t queue_size) noexcept {
  return used_event_offset(queue_size) + 2;
}
} // namespace available_ring

/// The device's ring of answers: flags, index, `size` elements, available_event.
namespace used_ring {
constexpr std::size_t flags_offset = 0;
constexpr std::size_t index_offset = 2;
constexpr std::size_t elements_offset = 4;
constexpr std::uint16_t no_kick = 1; // of flags: wants no kick
constexpr std::size_t available_event_offset(std::size_t queue_size) noexcept {
  return elements_offset + sizeof(used_element) * queue_size;
}
constexpr std::size_t byte_size(std::size_t queue_size) noexcept {
  return available_event_offset(queue_size) + 2;
}
} // namespace used_ring

/// Where a queue's three areas have to be aligned.
constexpr std::size_t descriptor_alignment = 16;
constexpr std::size_t available_alignment = 2;
constexpr std::size_t used_alignment = 4;

/// The largest queue that indices of 16 bits allow.
constexpr std::uint32_t largest_queue = 32768;

/// Bits of the device's features (virtio 1.2, section 6).
namespace feature {
constexpr std::uint64_t indirect_descriptors = std::uint64_t{1} << 28;
constexpr std::uint64_t event_index = std::uint64_t{1} << 29;
constexpr std::uint64_t version_1 = std::uint64_t{1} << 32;
} // namespace feature

} // namespace nydus::virtio
