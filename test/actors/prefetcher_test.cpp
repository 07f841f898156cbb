// SPDX-License-Identifier: Apache-2.0
#include "actors/prefetcher.hpp"

#include <caf/all.hpp>
#include <doctest/doctest.h>

#include <atomic>

#include "actors/actor_census.hpp"
#include "actors/message_types.hpp"
#include "actors/pinned.hpp"
#include "test/fakes/tiny_image.hpp"

using namespace nydus;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("actors/prefetcher");

namespace {

constexpr int file_count = 50;

/// Stands for a blob_cache that runs on a reactor: before each answer it looks where its asker has run.
class cache_on_a_reactor : public pinned_actor {
public:
  cache_on_a_reactor(caf::actor_config& config, reactor& home, caf::actor census, std::atomic<int>& batches,
                     std::atomic<int>& strays)
      : pinned_actor(config, home, "cache"), census_(std::move(census)), batches_(batches), strays_(strays) {}

  caf::behavior make_behavior() override {
    return {[this](const prefetch_chunks& asked) {
      request(census_, caf::infinite, list_actors{}).then([this, asker = asked.asker](const actor_list& all) {
        for (const auto& one : all.actors)
          if (one.counters->kind == "prefetcher" && one.counters->last_place != nullptr)
            ++strays_;
        ++batches_;
        send(asker, prefetched{0, 1});
      });
    }};
  }

private:
  caf::actor census_;
  std::atomic<int>& batches_;
  std::atomic<int>& strays_;
};

/// An image whose files are each a batch of their own.
std::shared_ptr<const image> image_of_files(const temporary_directory& place) {
  tiny_image wanted;
  for (int i = 0; i < file_count; ++i)
    wanted.entries.push_back({.path = "/folder/file" + std::to_string(i), .content = std::to_string(i)});
  return *open_image(write_tiny_image(wanted, place.path()).bootstrap);
}

} // namespace

TEST_CASE("a prefetcher runs on no reactor, also if a reactor's actor answers it") {
  temporary_directory place;
  caf::actor_system_config config;
  caf::actor_system system{config};
  const auto census = spawn_actor_census(system);
  reactor home{system, "home", -1};
  home.start();
  std::atomic<int> batches{0}, strays{0};
  {
    const auto cache = spawn_pinned<cache_on_a_reactor>(system, home, census, batches, strays);
    prefetch_parts parts;
    parts.contents = image_of_files(place);
    parts.settings.everything = true;
    parts.settings.batch_size = 1;
    parts.caches = {cache};
    parts.seen = std::make_shared<cache_counters>();
    caf::scoped_actor waiter{system};
    waiter->wait_for(spawn_prefetcher(system, std::move(parts)));
    CHECK(batches == file_count);
    CHECK(strays == 0);
    caf::anon_send_exit(cache, caf::exit_reason::user_shutdown);
    waiter->wait_for(cache);
  }
  home.stop();
  end_actor_census(system);
}
