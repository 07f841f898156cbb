// SPDX-License-Identifier: Apache-2.0
#include "actors/blob_fetcher.hpp"

#include <caf/all.hpp>
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <thread>

#include "actors/blob_cache.hpp"
#include "actors/message_types.hpp"
#include "test/fakes/failing_allocation.hpp"
#include "test/fakes/fake_backend.hpp"

using namespace nydus;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("actors/blob_fetcher");

namespace {

constexpr std::uint32_t chunk_size = 4096;

/// A fetcher with limits, and askers that stand for caches.
struct bench {
  explicit bench(wait_limits limits, std::string name = "fake") {
    blob_cache_parts made;
    made.source.id = "blob";
    made.source.chunk_size = chunk_size;
    made.source.chunk_count = 1000;
    made.source.compressed_size = made.source.uncompressed_size = 1000 * chunk_size;
    made.backend = backend;
    made.backend_seen = std::make_shared<backend_counters>();
    made.cache_seen = std::make_shared<cache_counters>();
    made.check_fetched = false;
    parts = std::make_shared<const blob_cache_parts>(std::move(made));
    fetcher = spawn_blob_fetcher(system, {std::move(name), limits, seen});
    backend->is_held = true;
  }
  ~bench() {
    backend->is_held = false;
    caf::anon_send_exit(fetcher, caf::exit_reason::user_shutdown);
  }

  void ask(caf::scoped_actor& cache, std::uint64_t index, bool is_prefetch = false) {
    chunk one;
    one.index = static_cast<std::uint32_t>(index);
    one.compressed_size = one.uncompressed_size = chunk_size;
    one.compressed_offset = one.uncompressed_offset = index * chunk_size;
    cache->send(fetcher, fetch_run{caf::actor_cast<caf::actor>(cache),
                                   parts,
                                   {one.compressed_offset, chunk_size, {one}},
                                   is_prefetch,
                                   {},
                                   0});
  }
  std::uint64_t answered_offset(caf::scoped_actor& cache) {
    std::uint64_t offset = ~std::uint64_t{0};
    cache->receive([&](const run_read& done) { offset = done.offset; },
                   caf::after(10s) >> [] { FAIL("no answer"); });
    return offset;
  }
  template <class Condition>
  bool comes_true(Condition is_so) {
    for (int i = 0; i < 5000 && !is_so(); ++i)
      std::this_thread::sleep_for(1ms);
    return is_so();
  }

  caf::actor_system_config config;
  caf::actor_system system{config};
  std::shared_ptr<fake_backend> backend =
      std::make_shared<fake_backend>(std::vector<std::byte>(1000 * chunk_size));
  std::shared_ptr<fetcher_counters> seen = std::make_shared<fetcher_counters>();
  std::shared_ptr<const blob_cache_parts> parts;
  caf::actor fetcher;
};

wait_limits limited(std::uint32_t requests, std::uint64_t bytes) {
  wait_limits limits;
  limits.backend_requests = requests;
  limits.backend_bytes = bytes;
  return limits;
}

} // namespace

TEST_CASE("a hung backend has no more reads under way than its limits, the rest waits in its queue") {
  wait_limits limits;
  std::uint64_t expected = 0;
  SUBCASE("requests") {
    limits = limited(3, 1 << 30);
    expected = 3;
  }
  SUBCASE("bytes") {
    limits = limited(100, 2 * chunk_size);
    expected = 2;
  }
  SUBCASE("one is always allowed, however large") {
    limits = limited(100, 1);
    expected = 1;
  }
  bench b{limits};
  caf::scoped_actor cache{b.system};
  for (std::uint64_t i = 0; i < 50; ++i)
    b.ask(cache, i);
  CHECK(b.comes_true([&] { return b.seen->requests_queued == 50 - expected; }));
  CHECK(b.seen->requests_under_way == expected);
  CHECK(b.seen->readers == expected);
  CHECK(b.seen->oldest_under_way != 0);
  b.backend->is_held = false;
  for (std::uint64_t i = 0; i < 50; ++i)
    b.answered_offset(cache);
  CHECK(b.comes_true([&] { return b.seen->requests_under_way == 0; }));
  CHECK(b.seen->bytes_under_way == 0);
  CHECK(b.backend->reads == 50);
}

TEST_CASE("one blob with many reads does not keep another one waiting for all of them") {
  bench b{limited(1, 1 << 30)};
  caf::scoped_actor greedy{b.system}, modest{b.system};
  for (std::uint64_t i = 0; i < 100; ++i)
    b.ask(greedy, i);
  CHECK(b.comes_true([&] { return b.seen->requests_queued == 99; }));
  b.ask(modest, 500);
  CHECK(b.comes_true([&] { return b.seen->requests_queued == 100; }));
  b.backend->is_held = false;
  b.answered_offset(modest);
  // Its turn came after one more of the other's; some may have followed before we looked.
  CHECK(b.seen->requests_queued > 50);
}

TEST_CASE(
    "prefetch leaves places for readers, and a run that somebody waits for now goes before the others") {
  bench b{limited(4, 1 << 30)};
  caf::scoped_actor cache{b.system};
  for (std::uint64_t i = 0; i < 10; ++i)
    b.ask(cache, i, true);
  CHECK(b.comes_true([&] { return b.seen->prefetch_queued == 9; }));
  CHECK(b.seen->requests_under_way == 1);
  cache->send(b.fetcher, hurry_run{caf::actor_cast<caf::actor>(cache), 7 * chunk_size + 100});
  CHECK(b.comes_true([&] { return b.seen->requests_under_way == 2 && b.seen->prefetch_queued == 8; }));
  b.backend->is_held = false;
  for (int i = 0; i < 10; ++i)
    b.answered_offset(cache);
}

TEST_CASE("what a cache has queued is dropped when it leaves") {
  bench b{limited(1, 1 << 30)};
  caf::scoped_actor leaving{b.system}, staying{b.system};
  b.ask(leaving, 0);
  for (std::uint64_t i = 1; i < 20; ++i)
    b.ask(leaving, i, i % 2 == 0);
  b.ask(staying, 30);
  CHECK(b.comes_true([&] { return b.seen->requests_queued + b.seen->prefetch_queued == 20; }));
  staying->send(b.fetcher, drop_runs{caf::actor_cast<caf::actor>(leaving)});
  CHECK(b.comes_true([&] { return b.seen->requests_queued + b.seen->prefetch_queued == 1; }));
  b.backend->is_held = false;
  CHECK(b.answered_offset(staying) == 30 * chunk_size);
  CHECK(b.backend->reads == 2);
}

TEST_CASE("a fetcher that breaks fails every run it has, and goes on with other readers") {
  if (!failing_allocation::is_possible) {
    MESSAGE("skipped: a sanitizer has the allocator to itself");
    return;
  }
  constexpr std::size_t large = 1 << 20;
  bench b{limited(2, 1 << 30), std::string(large, 'x')}; // each reader takes its name along
  caf::scoped_actor cache{b.system};
  b.ask(cache, 0);
  CHECK(b.comes_true([&] { return b.seen->requests_under_way == 1; }));
  const failing_allocation shortage{large};
  b.ask(cache, 1); // needs another reader
  std::set<std::uint64_t> failed;
  for (int i = 0; i < 2; ++i)
    cache->receive(
        [&](const run_read& done) {
          CHECK(done.chunks.at(0).why == errc::abandoned);
          failed.insert(done.offset);
        },
        caf::after(10s) >> [] { FAIL("no answer"); });
  CHECK(shortage.has_come());
  CHECK(failed == std::set<std::uint64_t>{0, chunk_size});
  b.ask(cache, 2);
  b.backend->is_held = false;
  std::uint64_t answered = b.answered_offset(cache);
  if (answered == 0) // of the reader from before, which comes all the same
    answered = b.answered_offset(cache);
  CHECK(answered == 2 * chunk_size);
  CHECK(b.comes_true([&] { return b.seen->requests_under_way == 0; }));
  CHECK(b.seen->bytes_under_way == 0);
  CHECK(b.seen->readers == 1);
}
