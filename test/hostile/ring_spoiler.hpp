// SPDX-License-Identifier: Apache-2.0
// Fills a virtqueue with FUSE requests and then spoils the queue: addresses, lengths, flags and links of
// descriptors and of indirect tables, heads, indices, and the requests' own bytes. Neighbours:
// hostile_guest.cpp plays it; dice.hpp makes it repeatable.
#pragma once

#include <vector>

#include "test/fakes/driver_queue.hpp"
#include "test/hostile/dice.hpp"

namespace nydus::hostile {

/// What a hostile driver may hand to the device as its own: the region at 0, and the end of the region behind
/// it. Everything between belongs to well-behaved queues, and is never named in a descriptor.
struct playground {
  fake::guest_address low_end = 0;         // the first region is [0, low_end)
  fake::guest_address forbidden_start = 0; // the second region begins here, well-behaved
  fake::guest_address start = 0;           // of what is hostile in it: the hostile queues' own rings ..
  fake::guest_address buffers = 0;         // .. and from here on buffers
  std::size_t size = 0;                    // bytes from `start` to the end of the region
  std::vector<std::uint64_t> nodes{};      // FUSE nodes that exist
};

class ring_spoiler {
public:
  ring_spoiler(fake::guest_memory& memory, playground ground) : memory_(memory), ground_(std::move(ground)) {}

  /// `queue` has been reset; what it then holds depends on `chance` alone. The device is not told.
  void fill(fake::driver_queue& queue, dice& chance);
  /// Changes something while the device works on it.
  void disturb(fake::driver_queue& queue, dice& chance);

private:
  void add_request(fake::driver_queue& queue, dice& chance);
  void spoil(fake::driver_queue& queue, dice& chance);
  void spoil(vring_desc& descriptor, std::uint16_t table_size, dice& chance);
  void keep_off_forbidden(vring_desc& descriptor) const;
  void keep_off_forbidden(fake::driver_queue& queue);
  fake::guest_address bad_address(dice& chance) const;
  fake::guest_address take(std::size_t size);
  std::span<std::byte> indirect_table(const fake::driver_queue& queue, std::uint16_t head) const;

  fake::guest_memory& memory_;
  playground ground_;
  std::size_t taken_ = 0;               // bytes of the playground
  std::vector<fake::segment> requests_; // readable buffers of this round
};

} // namespace nydus::hostile
