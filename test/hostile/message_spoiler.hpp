// SPDX-License-Identifier: Apache-2.0
// vhost-user messages that a broken or hostile VMM may send: right ones at the wrong time, with wrong
// numbers, sizes, flags, and descriptors of every kind. Neighbours: hostile_guest.cpp sends them.
#pragma once

#include <vector>

#include "test/fakes/fake_vmm.hpp"
#include "test/hostile/dice.hpp"

namespace nydus::hostile {

struct spoiled_message {
  std::vector<std::byte> bytes;
  std::vector<int> descriptors; // borrowed from the spoiler
};

class message_spoiler {
public:
  message_spoiler();

  /// `memory`: what its plausible addresses speak of.
  spoiled_message next(const fake::guest_memory& memory, dice& chance);

private:
  std::vector<std::byte> payload(fake::ask request, const fake::guest_memory& memory, dice& chance);
  std::size_t fitting_descriptors(fake::ask request, const std::vector<std::byte>& payload) const;
  int any_descriptor(const fake::guest_memory& memory, dice& chance) const;

  std::vector<unique_fd> descriptors_;
};

} // namespace nydus::hostile
