// SPDX-License-Identifier: Apache-2.0
// Property: no sequence of messages crashes the conversation, and what it asks to be done is within bounds.
#include <sys/eventfd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "protocol/vhost_user/negotiation.hpp"

using namespace nydus::vhost_user;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  negotiation talk;
  auto rest = std::as_bytes(std::span{data, size});
  while (rest.size() >= sizeof(message_header)) {
    message_header header;
    std::memcpy(&header, rest.data(), sizeof header);
    rest = rest.subspan(sizeof header);
    header.request %= 64; // most ids are no message
    if (!check(header))
      return 0;
    message asked;
    asked.id = request{header.request};
    const auto payload = rest.first(std::min<std::size_t>(header.size, rest.size()));
    asked.payload.assign(payload.begin(), payload.end());
    rest = rest.subspan(payload.size());
    for (auto count = rest.empty() ? 0u : std::to_integer<unsigned>(rest[0]) % 10; count > 0; --count)
      asked.descriptors.emplace_back(-1); // counted, never used
    const auto actions = talk.on_message(asked);
    if (!actions)
      return 0;
    for (const auto& one : *actions) {
      if (const auto* started = std::get_if<action::start_queue>(&one))
        if (started->queue >= queue_count_limit || talk.queue(started->queue).place.size == 0)
          std::abort();
      if (const auto* stopped = std::get_if<action::stop_queue>(&one))
        talk.queue_stopped(stopped->queue, 1);
      if (const auto* table = std::get_if<action::replace_memory>(&one))
        if (table->regions.size() != asked.descriptors.size())
          std::abort();
    }
  }
  return 0;
}
