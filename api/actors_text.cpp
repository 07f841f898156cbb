// SPDX-License-Identifier: Apache-2.0
#include "api/actors_text.hpp"

#include <nlohmann/json.hpp>

#include <cmath>

#include "actors/blob_fetcher.hpp"

namespace nydus {

namespace {

using json = nlohmann::ordered_json;

std::string place_of(const actor_counters& one) {
  if (one.has_own_thread)
    return "own thread";
  const auto* last = one.last_place.load();
  return last == nullptr ? "pool" : last->name();
}

json actor_json(const actor_facts& facts) {
  const auto& one = *facts.counters;
  return {{"id", one.id},
          {"kind", one.kind},
          {"name", one.name},
          {"place", place_of(one)},
          {"messages", one.handled.load()},
          {"rate", std::round(facts.rate * 10) / 10},
          {"mailbox", one.depth()},
          {"mailbox_most", one.deepest.load()},
          {"busy_us", one.busy.load() / 1000},
          {"restarts", one.restarts.load()}};
}

json reactor_json(const reactor& one) {
  const auto& seen = one.counters();
  return {{"name", one.name()},
          {"rounds", seen.rounds.load()},
          {"resumptions", seen.resumptions.load()},
          {"wake_ups", seen.wake_ups.load()},
          {"busy_us", seen.busy.load() / 1000},
          {"looked_ahead_us", seen.looked_ahead.load() / 1000},
          {"longest_round_us", seen.longest_round.load() / 1000}};
}

json backend_json(const fetcher_counters& one, std::uint64_t now) {
  const auto oldest = one.oldest_under_way.load();
  return {{"name", one.name},
          {"requests_under_way", one.requests_under_way.load()},
          {"request_limit", one.request_limit},
          {"bytes_under_way", one.bytes_under_way.load()},
          {"byte_limit", one.byte_limit},
          {"requests_queued", one.requests_queued.load()},
          {"prefetch_queued", one.prefetch_queued.load()},
          {"readers", one.readers.load()},
          {"oldest_ms", oldest == 0 || oldest > now ? 0 : (now - oldest) / 1'000'000}};
}

json mount_json(const mount_record& one) {
  const auto& seen = *one.counters;
  const auto& limits = one.settings->limits;
  std::uint64_t present = 0;
  std::uint64_t chunks = 0;
  for (const auto& source : one.contents->blobs())
    chunks += source.chunk_count;
  for (const auto& blob : one.blobs)
    present += blob.files ? blob.files->present_count() : 0;
  return {{"mountpoint", one.mountpoint},
          {"number", one.number},
          {"waiting_reads", seen.waiting_reads.load()},
          {"waiting_reads_limit", limits.mount_reads},
          {"waiting_bytes", seen.waiting_bytes.load()},
          {"waiting_bytes_limit", limits.mount_bytes},
          {"queued_reads", seen.queued_reads.load()},
          {"chunks_present", present},
          {"chunks", chunks}};
}

} // namespace

std::string actors_text(const running_parts& parts) {
  json text{{"actors", json::array()},
            {"reactors", json::array()},
            {"backends", json::array()},
            {"mounts", json::array()}};
  for (const auto& one : parts.actors.actors)
    text["actors"].push_back(actor_json(one));
  for (const auto* one : parts.reactors)
    text["reactors"].push_back(reactor_json(*one));
  for (const auto& one : parts.backends.backends)
    text["backends"].push_back(backend_json(*one, parts.now));
  for (const auto& one : parts.mounts.mounts)
    text["mounts"].push_back(mount_json(*one));
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace nydus
