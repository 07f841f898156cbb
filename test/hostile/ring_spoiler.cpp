// SPDX-License-Identifier: Apache-2.0
#include "test/hostile/ring_spoiler.hpp"

#include <linux/fuse.h>

#include <algorithm>
#include <cstring>

namespace nydus::hostile {

using fake::driver_queue;
using fake::guest_address;
using fake::segment;

namespace {

constexpr std::size_t most_requests = 6;
constexpr std::size_t most_tables = 64; // entries of an indirect table that are looked at

std::uint32_t opcode(dice& chance) {
  if (chance.one_in(8))
    return chance.one_in(2) ? chance.number<std::uint32_t>() : static_cast<std::uint32_t>(chance.below(64));
  return chance.one_of<std::uint32_t>({FUSE_LOOKUP,    FUSE_GETATTR, FUSE_READ,         FUSE_READ,
                                       FUSE_READ,      FUSE_READDIR, FUSE_READDIRPLUS,  FUSE_READLINK,
                                       FUSE_OPEN,      FUSE_OPENDIR, FUSE_STATFS,       FUSE_GETXATTR,
                                       FUSE_LISTXATTR, FUSE_FORGET,  FUSE_BATCH_FORGET, FUSE_INTERRUPT,
                                       FUSE_INIT,      FUSE_WRITE,   FUSE_SETXATTR,     FUSE_DESTROY});
}

std::uint32_t length(dice& chance) {
  switch (chance.below(6)) {
  case 0:
    return 0;
  case 1:
    return chance.number<std::uint32_t>();
  case 2:
    return 0xffffffff - static_cast<std::uint32_t>(chance.below(64));
  default:
    return static_cast<std::uint32_t>(chance.below(8192));
  }
}

/// One entry of an indirect table, which may lie anywhere, aligned or not.
template <class Action>
void change(std::span<std::byte> table, std::size_t which, Action action) {
  vring_desc entry;
  std::memcpy(&entry, table.data() + which * sizeof entry, sizeof entry);
  action(entry);
  std::memcpy(table.data() + which * sizeof entry, &entry, sizeof entry);
}

} // namespace

guest_address ring_spoiler::take(std::size_t size) {
  size = (size + 15) & ~std::size_t{15};
  if (ground_.buffers + taken_ + size > ground_.start + ground_.size)
    taken_ = 0;
  const guest_address place = ground_.buffers + taken_;
  taken_ += size;
  return place;
}

guest_address ring_spoiler::bad_address(dice& chance) const {
  switch (chance.below(8)) {
  case 0:
    return chance.any();
  case 1: // around the ends of regions
    return ground_.low_end - chance.below(64);
  case 2:
    return ground_.low_end + chance.below(64);
  case 3:
    return ground_.start + ground_.size - chance.below(64);
  case 4:
    return ground_.start + ground_.size + chance.below(64);
  case 5:
    return ~std::uint64_t{0} - chance.below(8192);
  case 6: // the hostile queues' own rings
    return ground_.start + chance.below(16384);
  default:
    return chance.below(ground_.low_end);
  }
}

void ring_spoiler::fill(driver_queue& queue, dice& chance) {
  taken_ = 0;
  requests_.clear();
  for (auto left = 1 + chance.below(most_requests); left > 0; --left)
    add_request(queue, chance);
  for (auto left = 1 + chance.below(4); left > 0; --left)
    spoil(queue, chance);
  keep_off_forbidden(queue);
}

void ring_spoiler::add_request(driver_queue& queue, dice& chance) {
  const auto arguments = static_cast<std::uint32_t>(chance.below(128));
  const segment request{take(sizeof(fuse_in_header) + arguments),
                        static_cast<std::uint32_t>(sizeof(fuse_in_header) + arguments)};
  auto* const bytes = memory_.at(request.address, request.size);
  chance.fill({bytes, request.size});
  fuse_in_header header{};
  header.len = request.size;
  header.opcode = opcode(chance);
  header.unique = chance.any() | 1;
  header.nodeid = chance.one_in(4) ? chance.any() : ground_.nodes[chance.below(ground_.nodes.size())];
  std::memcpy(bytes, &header, sizeof header);
  if ((header.opcode == FUSE_READ || header.opcode == FUSE_READDIRPLUS) &&
      arguments >= sizeof(fuse_read_in)) {
    fuse_read_in wanted{};
    wanted.offset = chance.one_in(4) ? chance.any() : chance.below(100'000);
    wanted.size = length(chance);
    std::memcpy(bytes + sizeof header, &wanted, sizeof wanted);
  }
  requests_.push_back(request);

  std::vector<segment> readable, writable;
  const auto cut = static_cast<std::uint32_t>(chance.below(request.size)); // headers may be in pieces
  if (chance.one_in(2) && cut > 0)
    readable = {{request.address, cut}, {request.address + cut, request.size - cut}};
  else
    readable = {request};
  for (auto left = chance.below(5); left > 0; --left) {
    const auto size = static_cast<std::uint32_t>(1 + chance.below(chance.one_in(8) ? 65536 : 4096));
    writable.push_back({take(size), size});
  }
  queue.add(readable, writable, 0);
}

std::span<std::byte> ring_spoiler::indirect_table(const driver_queue& queue, std::uint16_t head) const {
  const vring_desc& owner = queue.descriptor(head);
  const auto count = std::min<std::size_t>(owner.len / sizeof(vring_desc), most_tables);
  if ((owner.flags & VRING_DESC_F_INDIRECT) == 0 || count == 0)
    return {};
  try {
    return {memory_.at(owner.addr, count * sizeof(vring_desc)), count * sizeof(vring_desc)};
  } catch (const std::out_of_range&) {
    return {};
  }
}

void ring_spoiler::spoil(vring_desc& descriptor, std::uint16_t table_size, dice& chance) {
  switch (chance.below(5)) {
  case 0:
    descriptor.addr = bad_address(chance);
    break;
  case 1:
    descriptor.len = length(chance);
    break;
  case 2:
    descriptor.flags =
        chance.one_in(4) ? chance.number<std::uint16_t>() : static_cast<std::uint16_t>(chance.below(8));
    break;
  case 3:
    descriptor.next = chance.one_in(4) ? chance.number<std::uint16_t>()
                                       : static_cast<std::uint16_t>(chance.below(table_size + 2u));
    break;
  default: // a table where there was none, or one within another
    descriptor.flags = VRING_DESC_F_INDIRECT;
    descriptor.addr = chance.one_in(2) ? descriptor.addr : take(512);
    descriptor.len =
        static_cast<std::uint32_t>(16 * chance.below(40) + (chance.one_in(4) ? chance.below(16) : 0));
  }
}

void ring_spoiler::spoil(driver_queue& queue, dice& chance) {
  const auto waiting = queue.available_index();
  const auto any_head = [&] {
    return queue.available_entry(static_cast<std::uint16_t>(chance.below(waiting)));
  };
  switch (chance.below(9)) {
  case 0:
  case 1: // a descriptor of a chain, or of none
    spoil(queue.descriptor(static_cast<std::uint16_t>(chance.one_in(4) ? chance.below(queue.size())
                                                                       : any_head() % queue.size())),
          queue.size(), chance);
    break;
  case 2:
  case 3: { // an indirect table's
    const auto table = indirect_table(queue, any_head() % queue.size());
    const auto count = table.size() / sizeof(vring_desc);
    if (count > 0)
      change(table, chance.below(count),
             [&](vring_desc& entry) { spoil(entry, static_cast<std::uint16_t>(count), chance); });
    break;
  }
  case 4: // a head that is none, or the same one twice
    queue.available_entry(static_cast<std::uint16_t>(chance.below(waiting))) =
        chance.one_in(2) ? chance.number<std::uint16_t>() : any_head();
    break;
  case 5: // more than there are, up to more than the ring has
    queue.set_available_index(static_cast<std::uint16_t>(
        waiting + (chance.one_in(2) ? chance.below(queue.size() + 2u) : chance.below(65536))));
    break;
  case 6: { // a request's header: length, opcode, unique or node
    const segment& request = requests_[chance.below(requests_.size())];
    const auto place = chance.below(sizeof(fuse_in_header) / 4) * 4;
    const auto word = chance.one_in(2) ? chance.number<std::uint32_t>() : length(chance);
    std::memcpy(memory_.at(request.address, request.size) + place, &word, sizeof word);
    break;
  }
  case 7: { // a request's arguments
    const segment& request = requests_[chance.below(requests_.size())];
    chance.fill({memory_.at(request.address, request.size) + sizeof(fuse_in_header),
                 request.size - sizeof(fuse_in_header)});
    break;
  }
  default: // the device's own ring
    queue.scribble_used(chance.number<std::uint16_t>(), chance.number<std::uint16_t>());
  }
}

void ring_spoiler::disturb(driver_queue& queue, dice& chance) {
  spoil(queue, chance);
  keep_off_forbidden(queue);
}

void ring_spoiler::keep_off_forbidden(vring_desc& descriptor) const {
  const guest_address last = descriptor.addr + std::max<std::uint32_t>(descriptor.len, 1) - 1;
  if (last >= descriptor.addr && (last < ground_.forbidden_start || descriptor.addr >= ground_.start))
    return;
  if (last < descriptor.addr) // beyond 64 bits: no memory whatever else
    return;
  descriptor.addr = ground_.low_end + 4096;
}

void ring_spoiler::keep_off_forbidden(driver_queue& queue) {
  for (std::uint16_t which = 0; which < queue.size(); ++which) {
    auto& descriptor = queue.descriptor(which);
    if ((descriptor.flags & VRING_DESC_F_INDIRECT) == 0) {
      keep_off_forbidden(descriptor);
      continue;
    }
    const auto table = indirect_table(queue, which);
    for (std::size_t entry = 0; entry < table.size() / sizeof(vring_desc); ++entry)
      change(table, entry, [&](vring_desc& each) { keep_off_forbidden(each); });
  }
}

} // namespace nydus::hostile
