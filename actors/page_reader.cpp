// SPDX-License-Identifier: Apache-2.0
#include "actors/page_reader.hpp"

#include <caf/event_based_actor.hpp>

#include <cerrno>
#include <cstring>

#include "actors/log_line.hpp"
#include "actors/message_types.hpp"

namespace nydus {

namespace {

result<owned_bytes> gather(std::span<const extent> extents) {
  std::size_t total = 0;
  for (const auto& one : extents)
    total += one.size;
  owned_bytes bytes{total};
  auto rest = bytes.span();
  for (const auto& one : extents) {
    const auto part = rest.first(one.size);
    rest = rest.subspan(one.size);
    if (one.buffer)
      std::memcpy(part.data(), one.buffer->span().data() + one.offset, part.size());
    else if (!one.file)
      std::memset(part.data(), 0, part.size());
    else if (auto read = one.file->read(one.offset, part); !read)
      return read.error();
  }
  return bytes;
}

} // namespace

void read_pages(caf::actor_system& system, const caf::actor& port, fs_reply reply) {
  system.spawn([port, reply = std::move(reply)](caf::event_based_actor* self) mutable {
    auto bytes = gather(reply.extents());
    if (!bytes) {
      log_line(log_level::error, bytes.error().detail);
      reply.error = EIO;
      reply.body = std::monostate{};
    } else {
      const auto size = static_cast<std::uint32_t>(bytes->size());
      reply.body = extent{nullptr, std::make_shared<const owned_bytes>(std::move(*bytes)), 0, size};
    }
    self->send(port, std::move(reply));
  });
}

} // namespace nydus
