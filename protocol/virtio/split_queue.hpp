// SPDX-License-Identifier: Apache-2.0
// The device's end of one split virtqueue: takes heads from the available ring, puts answers into the used
// ring, and keeps both sides from waking each other more than needed (virtio 1.2, section 2.7). Knows nothing
// of what the requests are. Neighbours: descriptor_chain reads what a head stands for; actors/virtqueue_port
// owns the queue.
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/result.hpp"
#include "protocol/virtio/descriptor_chain.hpp"
#include "protocol/virtio/guest_memory.hpp"

namespace nydus::virtio {

/// Where a queue lies, as the VMM tells it.
struct queue_place {
  std::uint32_t size = 0; // descriptors
  user_address descriptors{};
  user_address available{};
  user_address used{};
};

/// Threads: one owner. The rings are shared with the guest, which may write anything there at any time: each
/// field is read once, and everything is checked.
class split_queue {
public:
  /// malformed: the size is no power of two up to 32,768, or an area is misaligned or not in one region of
  /// memory. `next_available`: index of the first head that was not taken yet. The queue borrows `memory`.
  static result<split_queue> attach(const guest_memory& memory, const queue_place& place,
                                    std::uint64_t features, std::uint16_t next_available);

  /// The same queue in another map of the same memory. malformed if an area is not there any more.
  result<void> move_to(const guest_memory& memory);

  // -- requests ---------------------------------------------------------------

  /// How many heads wait. malformed if the guest offers more than the queue has room for.
  result<std::uint16_t> waiting() const;
  /// Whether any do, or the guest's index is wrong.
  bool has_waiting() const noexcept;
  /// The next head. malformed if it is no descriptor of the queue. Only if one waits.
  result<std::uint16_t> take();
  const descriptor_table& table() const noexcept { return table_; }

  // -- answers ----------------------------------------------------------------

  /// Shows the guest an answer. It may look at once; it is told of it by wants_call().
  void put(std::uint16_t head, std::uint32_t written) noexcept;
  /// Whether there are answers that wants_call() was not asked about.
  bool has_unannounced() const noexcept { return next_used_ != announced_used_; }
  /// Whether the guest wants to be notified of what was put since this was asked last.
  bool wants_call() noexcept;

  // -- kicks ------------------------------------------------------------------

  /// The guest need not kick: we look by ourselves.
  void suppress_kicks() noexcept;
  /// Asks for a kick at the next request. False if requests wait already: there may be no kick for them.
  bool want_kicks() noexcept;

  std::uint32_t size() const noexcept { return place_.size; }
  std::uint16_t next_available() const noexcept { return next_available_; }
  /// Index of the used ring.
  std::uint16_t next_used() const noexcept { return next_used_; }
  void set_next_available(std::uint16_t index) noexcept { next_available_ = index; }

private:
  split_queue() = default;

  queue_place place_;
  descriptor_table table_;
  std::byte* available_ = nullptr;
  std::byte* used_ = nullptr;
  bool has_event_index_ = false;
  bool kicks_are_wanted_ = true;
  std::uint16_t next_available_ = 0; // of the heads, modulo 65536
  std::uint16_t next_used_ = 0;      // of the answers
  std::uint16_t announced_used_ = 0;
};

} // namespace nydus::virtio
