// SPDX-License-Identifier: Apache-2.0
// The driver's side of one split virtqueue (virtio 1.2, section 2.7), as Linux plays it: chains go into the
// available ring, answers come out of the used ring, and both sides' notifications are event descriptors.
// Neighbours: guest_memory.hpp holds the rings; fuse_channel.hpp puts FUSE requests on a queue.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#define VIRTIO_RING_NO_LEGACY
#include <linux/virtio_ring.h>

#include "test/fakes/guest_memory.hpp"

namespace nydus::fake {

/// One descriptor's piece of memory; `size` in bytes.
struct segment {
  guest_address address = 0;
  std::uint32_t size = 0;
};

struct queue_features {
  bool event_idx = true; ///< VIRTIO_F_EVENT_IDX: each side names the index it wants to be woken at
  bool indirect = true;  ///< VIRTIO_F_INDIRECT_DESC: a chain of more than one piece goes into a table
};

/// A chain that came back. `length` is the device's word for what it wrote.
struct used_chain {
  std::uint32_t token = 0;
  std::uint32_t length = 0;
};

/// Thread: one. Every answer is checked: a head that is not out, or an index that jumps, throws peer_error.
class driver_queue {
public:
  /// `size` is a power of two. The rings are laid out here and stay for ever.
  driver_queue(guest_memory& memory, unsigned index, std::uint16_t size, queue_features features);

  // -- the driver's work ---

  /// Makes a chain visible to the device; false if the ring is full. `token` comes back with the answer.
  bool add(std::span<const segment> readable, std::span<const segment> writable, std::uint32_t token);
  /// Notifies the device of what was added, if it asked to be; true if it did.
  bool kick();
  /// Notifies the device whether it wants it or not.
  void kick_anyway();
  /// The next answer, if there is one.
  std::optional<used_chain> pop_used();
  /// Asks for a notification and sleeps until there is an answer to pop; false when `timeout` passes first.
  bool wait_for_used(std::chrono::milliseconds timeout);
  /// How many chains the device still owes.
  std::size_t outstanding() const noexcept { return outstanding_; }
  /// Forgets all that is out and starts both rings from zero, as a guest that loads its driver again.
  void reset();

  // -- what a VMM has to know ---

  unsigned index() const noexcept { return index_; }
  std::uint16_t size() const noexcept { return size_; }
  guest_address descriptor_address() const noexcept { return descriptors_at_; }
  guest_address available_address() const noexcept { return available_at_; }
  guest_address used_address() const noexcept { return used_at_; }
  int kick_descriptor() const noexcept { return kick_.get(); }
  int call_descriptor() const noexcept { return call_.get(); }
  int error_descriptor() const noexcept { return error_.get(); }
  std::uint16_t available_index() const noexcept { return next_available_; }
  /// As the device wrote it.
  std::uint16_t used_index() const noexcept;
  /// True once, if the device signalled its error descriptor since the last time that this was asked.
  bool take_error() noexcept;
  /// How often the device notified since the last time; 0 if it did not.
  std::uint64_t take_calls() noexcept;

  // -- what a hostile guest needs: the rings as they lie ---

  vring_desc& descriptor(std::uint16_t which) const noexcept { return descriptors_[which]; }
  std::uint16_t& available_entry(std::uint16_t which) const noexcept { return available_->ring[which]; }
  /// Tells the device that chains up to `index` are there, true or not.
  void set_available_index(std::uint16_t index) noexcept;
  /// Writes into the device's ring, which a driver never does.
  void scribble_used(std::uint16_t flags, std::uint16_t index) noexcept;

private:
  /// What is known of a chain that the device has, by its head.
  struct chain {
    bool out = false;
    std::uint32_t token = 0;
    std::vector<std::uint16_t> descriptors; // of the ring, the head first
    guest_address table = 0;                // its indirect table, made when first needed
    std::size_t table_capacity = 0;         // descriptors
  };
  vring_desc* table_of(chain& owner, std::size_t descriptor_count);

  guest_memory& memory_;
  unsigned index_;
  std::uint16_t size_;
  queue_features features_;
  guest_address descriptors_at_, available_at_, used_at_;
  vring_desc* descriptors_;
  vring_avail* available_;
  vring_used* used_;
  std::uint16_t* kick_wish_; // avail_event: behind the used ring's last entry
  unique_fd kick_, call_, error_;

  std::vector<std::uint16_t> free_; // descriptor numbers
  std::vector<chain> chains_;       // by head
  std::size_t outstanding_ = 0;
  std::uint16_t next_available_ = 0; // our available index
  std::uint16_t last_kicked_ = 0;    // available index at the last kick
  std::uint16_t last_used_ = 0;      // answers popped so far, modulo 2^16
};

} // namespace nydus::fake
