// SPDX-License-Identifier: Apache-2.0
#include "actors/rafs_mount.hpp"

#include <caf/all.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "actors/chunk_messages.hpp"
#include "actors/fs_request.hpp"
#include "actors/message_types.hpp"
#include "actors/metadata_answers.hpp"
#include "storage/blob_cache_files.hpp"
#include "test/fakes/failing_allocation.hpp"
#include "test/fakes/tiny_image.hpp"

using namespace nydus;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("actors/rafs_mount");

namespace {

constexpr std::uint32_t chunk_size = 4096;
constexpr std::uint32_t large_size = 1 << 20; // of a read of many chunks

/// No two of its chunks are alike.
std::string different_chunks() {
  std::string content(large_size, 'l');
  for (std::size_t i = 0; i < large_size; i += chunk_size)
    content.replace(i, 4, std::to_string(1000 + i / chunk_size));
  return content;
}

/// A mount of two files, whose cache and port is the test.
struct bench {
  bench() {
    tiny_image wanted;
    wanted.entries.push_back({.path = "/large", .content = different_chunks()});
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
  /// The same with cache files, which are empty.
  void keep_in(const std::string& folder) {
    caf::anon_send_exit(mount, caf::exit_reason::user_shutdown);
    cache_config kept;
    kept.kind = cache_config::placement::files;
    kept.work_directory = folder;
    files = *blob_cache_files::open(kept, parts.contents->blobs()[0]);
    parts.blobs = {{files, caf::actor{self}}};
    mount = spawn_rafs_mount(system, parts);
  }
  ~bench() { caf::anon_send_exit(mount, caf::exit_reason::user_shutdown); }

  void read(inode_number inode, std::uint32_t size, std::uint32_t slot, std::uint64_t offset = 0) {
    fs_request request;
    request.asked.opcode = FUSE_READ;
    request.asked.nodeid = node_id_of(parts, inode);
    request.asked.offset = offset;
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
  std::shared_ptr<blob_cache_files> files;
  caf::actor mount;
};

} // namespace

TEST_CASE("a mount that breaks answers what it has in hand and what waits in it, once, and goes on") {
  if (!failing_allocation::is_possible) {
    MESSAGE("skipped: a sanitizer has the allocator to itself");
    return;
  }
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

TEST_CASE("a read whose last chunk comes while it is looked for is answered, not left waiting for nothing") {
  bench b;
  const std::vector<std::byte> bytes(chunk_size, std::byte{'l'});
  std::vector<chunk_slice> slices;
  REQUIRE(b.parts.contents->slices(b.large, 0, large_size, slices));
  for (std::uint32_t round = 0; round < 600; ++round) {
    b.keep_in(b.place.path() + "/cache-" + std::to_string(round));
    for (std::size_t i = 1; i < slices.size(); ++i)
      REQUIRE(b.files->store(slices[i].source, bytes, bytes));
    std::atomic<bool> is_sent{false};
    std::thread fetcher{[&] { // a reader of the backend, who is done at any time
      while (!is_sent) {
      }
      const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds{round % 200};
      while (std::chrono::steady_clock::now() < until) {
      }
      (void) b.files->store(slices[0].source, bytes, bytes);
    }};
    b.read(b.large, large_size, round);
    is_sent = true;
    bool is_answered = false;
    while (!is_answered)
      b.self->receive(
          [&](const need_chunks& asked) {
            if (!asked.wanted.empty())
              caf::anon_send(b.mount, chunks_ready{asked.ticket, {}});
          },
          [&](const fs_reply& reply) {
            CHECK(reply.slot == round);
            is_answered = true;
          },
          caf::after(10s) >>
              [&] {
                FAIL_CHECK("no answer in round " << round);
                is_answered = true;
              });
    fetcher.join();
  }
}
