// SPDX-License-Identifier: Apache-2.0
#include "protocol/virtio/descriptor_chain.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

namespace nydus::virtio {

namespace {

// Entries of an indirect table at most: what an index of 16 bits can reach.
constexpr std::size_t most_indirect = 65535;
// Buffers of a request at most, so that no guest makes us keep more: 1 MiB in pages takes 256, and their
// headers.
constexpr std::size_t most_buffers = 4096;

failure broken(std::string what) {
  return {errc::malformed, "virtqueue: " + std::move(what)};
}

descriptor copy_of(const std::byte* table, std::size_t index) noexcept {
  descriptor copy;
  std::memcpy(&copy, table + index * sizeof copy, sizeof copy);
  return copy;
}

/// Joins all[from] to the place before it if it goes on right there: fewer parts for system calls.
void join(std::vector<iovec>& all, std::size_t from) noexcept {
  if (from == 0 || from >= all.size())
    return;
  auto& before = all[from - 1];
  if (static_cast<std::byte*>(before.iov_base) + before.iov_len != all[from].iov_base)
    return;
  before.iov_len += all[from].iov_len;
  all.erase(all.begin() + static_cast<std::ptrdiff_t>(from));
}

/// One pass over a chain, in the queue's table and then maybe in an indirect one.
class chain_reader {
public:
  chain_reader(const descriptor_table& table, const guest_memory& memory, descriptor_chain& chain)
      : table_(table), memory_(memory), chain_(chain) {}

  /// Follows `next` from entry `index` of a table of `count` entries.
  result<void> follow(const std::byte* entries, std::size_t count, std::size_t index, bool is_indirect) {
    for (std::size_t seen = 0; seen < count; ++seen) {
      if (seen == most_buffers)
        return broken("a request of more than " + std::to_string(most_buffers) + " buffers");
      if (index >= count)
        return broken("descriptor " + std::to_string(index) + " of " + std::to_string(count));
      const auto one = copy_of(entries, index);
      if ((one.flags & descriptor_flag::indirect) != 0) {
        if (is_indirect)
          return broken("an indirect table inside another");
        return follow_indirect(one);
      }
      if (auto added = add(one); !added)
        return added;
      if ((one.flags & descriptor_flag::next) == 0)
        return {};
      index = one.next;
    }
    return broken("a chain of descriptors has no end");
  }

private:
  result<void> follow_indirect(const descriptor& holder) {
    const std::size_t size = holder.length;
    if (!table_.may_be_indirect)
      return broken("an indirect table, which was not negotiated");
    if ((holder.flags & descriptor_flag::next) != 0)
      return broken("an indirect table that is not the end of its chain");
    if (size == 0 || size % sizeof(descriptor) != 0 || size / sizeof(descriptor) > most_indirect)
      return broken("an indirect table of " + std::to_string(size) + " bytes");
    if (!memory_.copy(guest_address{std::uint64_t{holder.address}}, size, chain_.indirect))
      return broken("an indirect table at " + std::to_string(holder.address) +
                    " is not in the guest's memory");
    return follow(chain_.indirect.data(), size / sizeof(descriptor), 0, true);
  }

  result<void> add(const descriptor& one) {
    const std::uint32_t length = one.length;
    const bool is_writable = (one.flags & descriptor_flag::device_writes) != 0;
    if (!is_writable && has_writable_)
      return broken("a readable buffer lies behind a writable one");
    has_writable_ |= is_writable;
    auto& size = is_writable ? chain_.writable_size : chain_.readable_size;
    auto& places = is_writable ? chain_.writable : chain_.readable;
    if (length > std::numeric_limits<std::uint32_t>::max() - size)
      return broken("the buffers of a request are larger than 32 bits can tell");
    size += length;
    const auto from = places.size();
    if (!memory_.translate(guest_address{std::uint64_t{one.address}}, length, places))
      return broken("a buffer of " + std::to_string(length) + " bytes at " + std::to_string(one.address) +
                    " is not in the guest's memory");
    join(places, from);
    return {};
  }

  const descriptor_table& table_;
  const guest_memory& memory_;
  descriptor_chain& chain_;
  bool has_writable_ = false;
};

} // namespace

result<void> read_chain(const descriptor_table& table, const guest_memory& memory, std::uint16_t head,
                        descriptor_chain& chain) {
  chain.readable.clear();
  chain.writable.clear();
  chain.readable_size = chain.writable_size = 0;
  return chain_reader{table, memory, chain}.follow(table.start, table.count, head, false);
}

std::size_t copy_out(std::span<const iovec> places, std::span<std::byte> into) noexcept {
  std::size_t copied = 0;
  for (const auto& place : places) {
    const auto part = std::min(place.iov_len, into.size() - copied);
    if (part == 0)
      break;
    std::memcpy(into.data() + copied, place.iov_base, part);
    copied += part;
  }
  return copied;
}

template <class Action>
void chain_writer::for_each_part(std::size_t count, Action action) noexcept {
  while (count > 0 && !rest_.empty()) {
    const auto& place = rest_.front();
    const auto part = std::min(count, place.iov_len - done_);
    action(static_cast<std::byte*>(place.iov_base) + done_, part);
    count -= part;
    done_ += part;
    if (done_ == place.iov_len) {
      rest_ = rest_.subspan(1);
      done_ = 0;
    }
  }
}

void chain_writer::write(std::span<const std::byte> bytes) noexcept {
  for_each_part(bytes.size(), [&](std::byte* place, std::size_t size) {
    std::memcpy(place, bytes.data(), size);
    bytes = bytes.subspan(size);
  });
}

void chain_writer::write_zeros(std::size_t count) noexcept {
  for_each_part(count, [](std::byte* place, std::size_t size) { std::memset(place, 0, size); });
}

} // namespace nydus::virtio
