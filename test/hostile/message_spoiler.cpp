// SPDX-License-Identifier: Apache-2.0
#include "test/hostile/message_spoiler.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace nydus::hostile {

using fake::ask;
using fake::bytes_of;

namespace {

template <class T>
std::vector<std::byte> copied(const T& value) {
  return {bytes_of(value).begin(), bytes_of(value).end()};
}

std::uint64_t number(dice& chance) {
  switch (chance.below(5)) {
  case 0:
    return chance.any();
  case 1:
    return ~std::uint64_t{0} - chance.below(4096);
  case 2:
    return chance.below(1 << 20) * 4096;
  default:
    return chance.below(70000);
  }
}

fake::wire_region region(const fake::guest_memory& memory, dice& chance) {
  const auto& known = memory.regions()[chance.below(memory.regions().size())];
  fake::wire_region row{known.start(), known.size(), known.user_address(), known.file_offset()};
  if (chance.one_in(2))
    (&row.guest_address)[chance.below(4)] = number(chance);
  return row;
}

std::uint32_t queue_index(dice& chance) {
  return static_cast<std::uint32_t>(chance.one_in(4) ? number(chance) : chance.below(4));
}

} // namespace

message_spoiler::message_spoiler() {
  const auto add = [this](int descriptor) { descriptors_.emplace_back(descriptor); };
  add(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  add(::eventfd(1, EFD_CLOEXEC));
  const int full = ::eventfd(0, EFD_CLOEXEC); // a write to it would wait for ever
  const std::uint64_t most = 0xfffffffffffffffe;
  (void) !::write(full, &most, sizeof most);
  add(full);
  add(::memfd_create("hostile", MFD_CLOEXEC));
  const int small = ::memfd_create("hostile", MFD_CLOEXEC);
  (void) !::ftruncate(small, 12345);
  add(small);
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) == 0) {
    add(pipe_ends[0]);
    add(pipe_ends[1]);
  }
  add(::open("/dev/null", O_RDWR | O_CLOEXEC));
  add(::open("/", O_RDONLY | O_CLOEXEC));
  add(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  std::erase_if(descriptors_, [](const unique_fd& each) { return !each; });
}

int message_spoiler::any_descriptor(const fake::guest_memory& memory, dice& chance) const {
  if (chance.one_in(2))
    return memory.regions()[chance.below(memory.regions().size())].file();
  return descriptors_[chance.below(descriptors_.size())].get();
}

std::vector<std::byte> message_spoiler::payload(ask request, const fake::guest_memory& memory, dice& chance) {
  const auto& high = memory.regions().back();
  const auto user_address = [&] {
    return chance.one_in(4) ? number(chance)
                            : high.user_address() + (chance.below(high.size()) & ~std::uint64_t{15});
  };
  switch (request) {
  case ask::set_vring_num:
  case ask::set_vring_base:
  case ask::get_vring_base:
  case ask::set_vring_enable: {
    const auto value =
        chance.one_in(2) ? static_cast<std::uint32_t>(number(chance)) : std::uint32_t{1} << chance.below(16);
    return copied(
        vhost_vring_state{queue_index(chance), request == ask::set_vring_enable ? value % 3 : value});
  }
  case ask::set_vring_addr:
    return copied(vhost_vring_addr{.index = queue_index(chance),
                                   .flags = static_cast<std::uint32_t>(chance.below(3)),
                                   .desc_user_addr = user_address(),
                                   .used_user_addr = user_address(),
                                   .avail_user_addr = user_address(),
                                   .log_guest_addr = number(chance)});
  case ask::set_mem_table: {
    const auto rows = chance.below(12);
    const fake::wire_memory_table head{static_cast<std::uint32_t>(chance.one_in(4) ? number(chance) : rows),
                                       0};
    auto bytes = copied(head);
    for (std::uint64_t i = 0; i < rows; ++i) {
      const auto row = copied(region(memory, chance));
      bytes.insert(bytes.end(), row.begin(), row.end());
    }
    return bytes;
  }
  case ask::add_mem_reg:
  case ask::rem_mem_reg:
    return copied(fake::wire_memory_slot{0, region(memory, chance)});
  case ask::get_inflight_fd:
  case ask::set_inflight_fd:
    return copied(fake::wire_inflight{number(chance), chance.one_in(2) ? 0 : number(chance),
                                      static_cast<std::uint16_t>(number(chance)),
                                      static_cast<std::uint16_t>(1u << chance.below(17)), 0});
  case ask::set_features:
  case ask::set_protocol_features:
    return copied(chance.one_in(2)
                      ? number(chance)
                      : fake::feature_version_1 | (chance.any() & fake::feature_protocol_features));
  case ask::set_vring_kick:
  case ask::set_vring_call:
  case ask::set_vring_err:
    return copied<std::uint64_t>(queue_index(chance) | (chance.one_in(4) ? 0x100 : 0));
  case ask::get_features:
  case ask::get_protocol_features:
  case ask::get_queue_num:
  case ask::get_max_mem_slots:
  case ask::set_owner:
  case ask::reset_owner:
  case ask::reset_device:
  case ask::set_backend_req_fd:
    return {};
  default: {
    std::vector<std::byte> bytes(chance.below(300));
    chance.fill(bytes);
    return bytes;
  }
  }
}

std::size_t message_spoiler::fitting_descriptors(ask request, const std::vector<std::byte>& payload) const {
  switch (request) {
  case ask::set_mem_table:
    return (payload.size() - sizeof(fake::wire_memory_table)) / sizeof(fake::wire_region);
  case ask::add_mem_reg:
  case ask::set_vring_kick:
  case ask::set_vring_call:
  case ask::set_vring_err:
  case ask::set_backend_req_fd:
  case ask::set_inflight_fd:
    return 1;
  default:
    return 0;
  }
}

spoiled_message message_spoiler::next(const fake::guest_memory& memory, dice& chance) {
  const auto request = static_cast<ask>(chance.one_in(16) ? chance.any() : chance.below(45));
  auto body = payload(request, memory, chance);
  std::size_t count = fitting_descriptors(request, body);
  fake::wire_header header{static_cast<std::uint32_t>(request), fake::wire_version,
                           static_cast<std::uint32_t>(body.size())};
  if (chance.one_in(2))
    header.flags |= fake::wire_need_reply;
  switch (chance.below(12)) {
  case 0:
    header.flags =
        chance.one_in(2) ? chance.number<std::uint32_t>() : static_cast<std::uint32_t>(chance.below(16));
    break;
  case 1: // more than will come, or less, or far too much
    header.size =
        chance.one_in(2) ? chance.number<std::uint32_t>() : static_cast<std::uint32_t>(chance.below(4200));
    break;
  case 2: // a payload of another length, and the header says so
    body.resize(chance.below(400));
    header.size = static_cast<std::uint32_t>(body.size());
    break;
  case 3:
    if (!body.empty())
      body[chance.below(body.size())] = chance.number<std::byte>();
    break;
  case 4:
    count = chance.one_in(4) ? chance.below(60) : chance.below(4);
    break;
  default:
    break; // right in form
  }
  spoiled_message made;
  made.bytes.resize(sizeof header + body.size());
  std::memcpy(made.bytes.data(), &header, sizeof header);
  std::copy(body.begin(), body.end(), made.bytes.begin() + sizeof header);
  if (chance.one_in(64))
    made.bytes.resize(1 + chance.below(made.bytes.size())); // and the next message follows at once
  for (; count > 0; --count)
    made.descriptors.push_back(any_descriptor(memory, chance));
  return made;
}

} // namespace nydus::hostile
