// SPDX-License-Identifier: Apache-2.0
#include "actors/rafs_mount.hpp"

#include <caf/all.hpp>
#include <doctest/doctest.h>

#include <cerrno>
#include <set>

#include "actors/chunk_messages.hpp"
#include "actors/fs_request.hpp"
#include "actors/message_types.hpp"
#include "test/fakes/failing_allocation.hpp"
#include "test/fakes/tiny_image.hpp"

using namespace nydus;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("actors/rafs_mount");

namespace {

constexpr std::uint32_t chunk_size = 4096;
constexpr std::uint32_t large_size = 1 << 20; // of a read of many chunks

/// A mount of two files, whose cache and port is the test.
struct bench {
  bench() {
    tiny_image wanted;
    wanted.entries.push_back({.path = "/large", .content = std::string(large_size, 'l')});
    wanted.entries.push_back({.path = "/small", .content = "small"});
    const auto bytes = make_tiny_image(wanted);
    large = inode_number{bytes.inode_numbers.at("/large")};
    small = inode_number{bytes.inode_numbers.at("/small")};
    parts.number = 1;
    parts.contents = *open_image(place.write("image.boot", bytes.bootstrap));
    parts.settings = std::make_shared<const mount_settings>();
    parts.blobs = {{nullptr, caf::actor{self}}};
    parts.counters = std::make_shared<mount_counters>();
    parts.cache_seen = std::make_shared<cache_counters>();
    mount = spawn_rafs_mount(system, parts);
  }
  ~bench() { caf::anon_send_exit(mount, caf::exit_reason::user_shutdown); }

  void read(inode_number inode, std::uint32_t size, std::uint32_t slot) {
    fs_request request;
    request.asked.opcode = FUSE_READ;
    request.asked.nodeid = node_id_of(parts, inode);
    request.asked.size = size;
    request.port = caf::actor{self};
    request.slot = slot;
    caf::anon_send(mount, std::move(request));
  }
  need_chunks asked() {
    need_chunks got;
    self->receive([&](const need_chunks& asked) { got = asked; },
                  caf::after(10s) >> [] { FAIL("no chunks are asked for"); });
    return got;
  }
  fs_reply answer() {
    fs_reply got;
    self->receive([&](const fs_reply& reply) { got = reply; }, caf::after(10s) >> [] { FAIL("no answer"); });
    return got;
  }

  temporary_directory place;
  caf::actor_system_config config;
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  inode_number large{}, small{};
  rafs_mount_parts parts;
  caf::actor mount;
};

} // namespace

TEST_CASE("a mount that breaks answers what it has in hand and what waits in it, once, and goes on") {
  bench b;
  b.read(b.small, 5, 7);
  const auto waits = b.asked();
  {
    const failing_allocation shortage{large_size / chunk_size * sizeof(chunk_slice) / 2};
    b.read(b.large, large_size, 8);
    std::set<std::uint32_t> slots;
    for (int i = 0; i < 2; ++i) {
      const auto failed = b.answer();
      CHECK(failed.error == EIO);
      slots.insert(failed.slot);
    }
    CHECK(slots == std::set<std::uint32_t>{7, 8});
    CHECK(shortage.has_come());
  }
  // What its cache answers to the read that failed comes too late for it.
  caf::anon_send(b.mount, chunks_ready{waits.ticket, {{waits.wanted.at(0).compressed_offset, nullptr, {}}}});
  b.read(b.small, 5, 9);
  const auto next = b.asked();
  auto bytes = std::make_shared<owned_bytes>(5);
  caf::anon_send(b.mount, chunks_ready{next.ticket, {{next.wanted.at(0).compressed_offset, bytes, {}}}});
  const auto reply = b.answer();
  CHECK(reply.slot == 9);
  CHECK(reply.error == 0);
  CHECK(size_of(reply) == 5);
}
