// SPDX-License-Identifier: Apache-2.0
#include "actors/blob_cache.hpp"

#include <caf/all.hpp>
#include <doctest/doctest.h>

#include <filesystem>

#include "actors/message_types.hpp"
#include "test/fakes/failing_allocation.hpp"
#include "test/fakes/fake_backend.hpp"
#include "test/fakes/no_more_threads.hpp"

using namespace nydus;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("actors/blob_cache");

namespace {

constexpr std::uint32_t chunk_size = 4096;
constexpr std::uint32_t chunk_count = 16;

/// A cache over a fake backend, with files in a folder of its own if asked.
struct bench {
  explicit bench(bool keeps = true) {
    std::vector<std::byte> contents(chunk_size * chunk_count);
    for (std::size_t i = 0; i < contents.size(); ++i)
      contents[i] = static_cast<std::byte>(i / chunk_size + 1);
    source.id = "blob";
    source.chunk_size = chunk_size;
    source.chunk_count = chunk_count;
    source.compressed_size = source.uncompressed_size = contents.size();
    for (std::uint32_t i = 0; i < chunk_count; ++i) {
      chunk one;
      one.index = i;
      one.compressed_size = one.uncompressed_size = chunk_size;
      one.compressed_offset = one.uncompressed_offset = std::uint64_t{i} * chunk_size;
      one.digest = digest_of(source.digests, std::span{contents}.subspan(one.compressed_offset, chunk_size));
      chunks.push_back(one);
    }
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    cache_config config;
    config.work_directory = folder;
    if (keeps)
      files = *blob_cache_files::open(config, source);
    backend = std::make_shared<fake_backend>(std::move(contents));
    seen = std::make_shared<backend_counters>();
    fetches = std::make_shared<fetcher_counters>();
    fetcher = spawn_blob_fetcher(system, {"fake", {}, fetches});
    cache = spawn_blob_cache(
        system, {source, files, backend, fetcher, seen, std::make_shared<cache_counters>(), 1 << 20, true});
  }
  ~bench() {
    backend->is_held = false;
    caf::anon_send_exit(cache, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(fetcher, caf::exit_reason::user_shutdown);
    cache = fetcher = nullptr;
    std::filesystem::remove_all(folder);
  }

  void ask(caf::scoped_actor& asker, std::uint64_t ticket, std::vector<chunk> wanted) {
    asker->send(cache,
                need_chunks{caf::actor_cast<caf::actor>(asker), ticket, std::move(wanted), {}, {{}, 1}});
  }
  chunks_ready answer(caf::scoped_actor& asker) {
    chunks_ready got;
    asker->receive([&](const chunks_ready& ready) { got = ready; },
                   caf::after(10s) >> [] { FAIL("no answer"); });
    return got;
  }

  std::string folder = "/tmp/nydus-test-XXXXXX";
  caf::actor_system_config system_config;
  caf::actor_system system{system_config};
  blob source;
  std::vector<chunk> chunks;
  std::shared_ptr<blob_cache_files> files;
  std::shared_ptr<fake_backend> backend;
  std::shared_ptr<backend_counters> seen;
  std::shared_ptr<fetcher_counters> fetches;
  caf::actor fetcher;
  caf::actor cache;
};

} // namespace

TEST_CASE("a chunk is fetched once, however many ask while it is under way") {
  bench b;
  caf::scoped_actor first{b.system}, second{b.system};
  b.backend->is_held = true;
  for (std::uint64_t ticket = 0; ticket < 20; ++ticket) {
    b.ask(first, ticket, {b.chunks[2]});
    b.ask(second, ticket, {b.chunks[2]});
  }
  b.backend->is_held = false;
  for (int i = 0; i < 20; ++i) {
    CHECK(b.answer(first).chunks.at(0).why == errc::none);
    CHECK(b.answer(second).chunks.at(0).why == errc::none);
  }
  CHECK(b.backend->reads == 1);
  CHECK(b.files->is_servable(b.chunks[2]));
}

TEST_CASE("neighbours are read with one read") {
  bench b;
  caf::scoped_actor asker{b.system};
  b.ask(asker, 1, b.chunks);
  CHECK(b.answer(asker).chunks.size() == chunk_count);
  CHECK(b.backend->reads == 1);
}

TEST_CASE("a failed fetch is told and not remembered") {
  bench b;
  caf::scoped_actor asker{b.system};
  b.backend->is_failing = true;
  b.ask(asker, 1, {b.chunks[0]});
  CHECK(b.answer(asker).chunks.at(0).why == errc::backend_down);
  CHECK(std::uint64_t{b.seen->errors} == 1);
  b.backend->is_failing = false;
  b.ask(asker, 2, {b.chunks[0]});
  CHECK(b.answer(asker).chunks.at(0).why == errc::none);
}

TEST_CASE("a reader that breaks fails its reads, and the next ones are served") {
  bench b;
  caf::scoped_actor asker{b.system};
  b.backend->is_throwing = true;
  for (std::uint64_t ticket = 1; ticket <= 20; ++ticket) { // more than there are readers
    b.ask(asker, ticket, {b.chunks[0], b.chunks[9]});
    const auto told = b.answer(asker);
    CHECK(told.ticket == ticket);
    REQUIRE(told.chunks.size() == 2);
    CHECK(told.chunks[0].why == errc::abandoned);
    CHECK(told.chunks[1].why == errc::abandoned);
  }
  b.backend->is_throwing = false;
  b.ask(asker, 21, {b.chunks[0], b.chunks[9]});
  CHECK(b.answer(asker).chunks.at(1).why == errc::none);
}

TEST_CASE("a cache that breaks fails what waits in it, once for each ticket that still counts, and goes on") {
  if (!failing_allocation::is_possible) {
    MESSAGE("skipped: a sanitizer has the allocator to itself");
    return;
  }
  bench b;
  caf::scoped_actor asker{b.system};
  b.backend->is_held = true;
  b.ask(asker, 1, {b.chunks[0], b.chunks[1]});
  asker->send(b.cache, prefetch_chunks{caf::actor_cast<caf::actor>(asker), {b.chunks[8]}, {}});
  constexpr std::size_t many = 2000;
  {
    std::vector<chunk> wanted;
    for (std::size_t i = 0; i < many; ++i) {
      wanted.push_back(b.chunks[2]);
      wanted.back().compressed_offset += i; // no two are the same
    }
    caf::scoped_actor unlucky{b.system};
    const failing_allocation shortage{many * sizeof(chunk)};
    b.ask(unlucky, 2, std::move(wanted));
    const auto told = b.answer(unlucky);
    CHECK(shortage.has_come());
    CHECK(told.ticket == 2);
    REQUIRE(told.chunks.size() == many);
    for (const auto& one : told.chunks)
      REQUIRE(one.why == errc::abandoned);
  }
  const auto told = b.answer(asker);
  CHECK(told.ticket == 1);
  REQUIRE(told.chunks.size() == 2);
  CHECK(told.chunks[0].why == errc::abandoned);
  CHECK(told.chunks[1].why == errc::abandoned);
  bool is_prefetch_over = false;
  asker->receive([&](const prefetched& end) { is_prefetch_over = end.bytes == 0; },
                 caf::after(10s) >> [] { FAIL("no end of the prefetch"); });
  CHECK(is_prefetch_over);
  b.ask(asker, 3, {b.chunks[0]});
  b.backend->is_held = false;
  for (auto next = b.answer(asker);; next = b.answer(asker))
    if (next.ticket == 3) {
      CHECK(next.chunks.at(0).why == errc::none);
      break;
    }
}

TEST_CASE("a process that gets no more threads fails reads, until it gets some again") {
  bench b;
  caf::scoped_actor asker{b.system};
  {
    const no_more_threads shortage;
    b.ask(asker, 1, {b.chunks[0]});
    CHECK(b.answer(asker).chunks.at(0).why == errc::unavailable);
  }
  b.ask(asker, 2, {b.chunks[0]});
  CHECK(b.answer(asker).chunks.at(0).why == errc::none);
}

TEST_CASE("bytes of another digest are not kept and not served") {
  bench b;
  caf::scoped_actor asker{b.system};
  auto wrong = b.chunks[1];
  wrong.digest[0] = static_cast<std::uint8_t>(wrong.digest[0] + 1);
  b.ask(asker, 1, {wrong});
  const auto told = b.answer(asker);
  CHECK(told.chunks.at(0).why == errc::corrupt);
  CHECK(!told.chunks.at(0).bytes);
  CHECK(!b.files->is_servable(wrong));
}

TEST_CASE("without files the bytes come with the answer") {
  bench b{false};
  caf::scoped_actor asker{b.system};
  b.ask(asker, 1, {b.chunks[5]});
  const auto got = b.answer(asker);
  REQUIRE(got.chunks.at(0).bytes);
  CHECK(got.chunks[0].bytes->span()[0] == std::byte{6});
}

TEST_CASE("whoever waits goes before prefetch") {
  bench b;
  caf::scoped_actor asker{b.system};
  b.backend->is_held = true;
  for (std::uint32_t i = 4; i < chunk_count; i += 2) // apart, so that each is a read of its own
    asker->send(b.cache, prefetch_chunks{caf::actor_cast<caf::actor>(asker), {b.chunks[i]}, {}});
  b.ask(asker, 1, {b.chunks[0]});
  for (int i = 0; i < 5000 && b.backend->reads < 3; ++i)
    std::this_thread::sleep_for(1ms);
  CHECK(b.backend->reads == 3); // two prefetches, and the reader beside them
  b.backend->is_held = false;
  CHECK(b.answer(asker).ticket == 1);
}
