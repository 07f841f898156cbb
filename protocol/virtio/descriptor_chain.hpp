// SPDX-License-Identifier: Apache-2.0
// One request of a virtqueue: the chain of descriptors that names its bytes, checked whole and turned into
// places in this process. Neighbours: split_queue hands out heads; guest_memory translates.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "protocol/result.hpp"
#include "protocol/virtio/guest_memory.hpp"
#include "protocol/virtio/ring_layout.hpp"

namespace nydus::virtio {

/// Places that the device may read, then places that it may write. Every place lies in the guest's memory.
/// The bytes there are the guest's to change at any time: copy what has to be believed.
struct descriptor_chain {
  std::vector<iovec> readable;
  std::vector<iovec> writable;
  std::uint32_t readable_size = 0; // bytes
  std::uint32_t writable_size = 0; // bytes
  std::vector<std::byte> indirect; // the chain's indirect table, copied: the guest cannot change it any more
};

/// A queue's table of descriptors.
struct descriptor_table {
  const std::byte* start = nullptr; // `count` descriptors in the guest's memory
  std::uint16_t count = 0;
  bool may_be_indirect = false; // negotiated
};

/// Reads the chain that begins at `head` into `chain`, whose vectors are used again. Each descriptor is read
/// once. On failure (malformed) nothing of `chain` may be used: an index out of the table, a loop, an
/// indirect table that was not negotiated, lies in another or has a wrong size, a readable buffer behind a
/// writable one, lengths beyond 32 bits, an address that is no memory.
result<void> read_chain(const descriptor_table& table, const guest_memory& memory, std::uint16_t head,
                        descriptor_chain& chain);

/// Copies up to into.size() bytes out of `places`; how many there were.
std::size_t copy_out(std::span<const iovec> places, std::span<std::byte> into) noexcept;

/// Where the next bytes of an answer go: walks the writable places front to back.
class chain_writer {
public:
  chain_writer(std::span<const iovec> places) noexcept : rest_(places) {}

  /// Copies `bytes`; there has to be room.
  void write(std::span<const std::byte> bytes) noexcept;
  void write_zeros(std::size_t count) noexcept;

private:
  template <class Action>
  void for_each_part(std::size_t count, Action action) noexcept;

  std::span<const iovec> rest_;
  std::size_t done_ = 0; // bytes of rest_.front()
};

} // namespace nydus::virtio
