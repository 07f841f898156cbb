// SPDX-License-Identifier: Apache-2.0
#include "actors/blob_cache.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "actors/blob_fetcher.hpp"
#include "actors/lasting_actor.hpp"
#include "actors/message_types.hpp"
#include "actors/trace_ring.hpp"

namespace nydus {

namespace {

// Chunks under way beyond which nothing more is fetched ahead of readers: 64 MiB of 1 MiB chunks.
constexpr std::size_t most_under_way_ahead = 1024;

/// Somebody who waits for a number of chunks.
struct waiter {
  caf::actor asker;
  std::uint64_t ticket = 0;
  std::vector<chunk> wanted;
  std::size_t missing = 0; // of them
  std::vector<settled_chunk> settled;
};
using waiter_handle = std::shared_ptr<waiter>;

/// Chunks of one prefetch_chunks message, fetched by several runs.
struct prefetch_job {
  caf::actor asker;
  std::size_t missing = 0; // runs
  prefetched total;
};

class blob_cache : public lasting_actor {
public:
  blob_cache(caf::actor_config& config, blob_cache_parts parts)
      : lasting_actor(config, "blob_cache", parts.source.id),
        parts_(std::make_shared<const blob_cache_parts>(std::move(parts))) {}

  caf::behavior make_behavior() override {
    return {
        [this](const need_chunks& asked) { need(asked); },
        [this](const prefetch_chunks& asked) { prefetch(asked); },
        [this](run_read& outcome) { settle(outcome); },
    };
  }

  void on_exit() override {
    anon_send(parts_->fetcher, drop_runs{caf::actor_cast<caf::actor>(this)});
    waiters_.clear();
    jobs_.clear();
  }

private:
  /// A read whose answer comes all the same finds nobody waiting.
  void start_anew(const caf::type_erased_tuple& lost) noexcept override {
    if (const auto* asked = as<need_chunks>(lost); asked != nullptr && !asked->wanted.empty())
      fail(asked->asker, asked->ticket, asked->wanted);
    else if (const auto* ahead = as<prefetch_chunks>(lost))
      send(ahead->asker, prefetched{});
    // One that waits for several chunks is told of each: the first answer to a ticket counts.
    for (const auto& [offset, waiters] : waiters_)
      for (const auto& waiting : waiters)
        fail(waiting->asker, waiting->ticket, waiting->wanted);
    for (const auto& [offset, job] : jobs_)
      if (std::exchange(job->missing, 0) != 0)
        send(job->asker, job->total);
    send(parts_->fetcher, drop_runs{caf::actor_cast<caf::actor>(this)});
    waiters_.clear();
    jobs_.clear();
  }

  void fail(const caf::actor& asker, std::uint64_t ticket, const std::vector<chunk>& wanted) {
    chunks_ready nothing{ticket, {}};
    for (const auto& one : wanted)
      nothing.chunks.push_back({one.compressed_offset, nullptr, errc::abandoned});
    send(asker, std::move(nothing));
  }

  bool is_servable(const chunk& wanted) const noexcept {
    return parts_->files && parts_->files->is_servable(wanted);
  }

  /// Nobody waits for it, so it is fetched only if the cache will keep it.
  bool is_worth_fetching(const chunk& next) const noexcept {
    return parts_->files && parts_->source.has_chunk_index() && !parts_->files->is_full() &&
           !parts_->files->is_kept(next);
  }

  void need(const need_chunks& asked) {
    auto waiting = std::make_shared<waiter>(waiter{asked.asker, asked.ticket, asked.wanted, 0, {}});
    std::vector<chunk> to_fetch;
    for (const auto& wanted : asked.wanted) {
      if (is_servable(wanted)) { // came while the message was under way
        waiting->settled.push_back({wanted.compressed_offset, nullptr, errc::none});
        continue;
      }
      const auto [flight, is_new] = waiters_.try_emplace(wanted.compressed_offset);
      if (is_new)
        to_fetch.push_back(wanted);
      else if (flight->second.empty()) // was fetched for nobody until now
        send(parts_->fetcher, hurry_run{caf::actor_cast<caf::actor>(this), wanted.compressed_offset});
      flight->second.push_back(waiting);
      ++waiting->missing;
    }
    for (const auto& next : asked.ahead)
      if (waiters_.size() < most_under_way_ahead && is_worth_fetching(next) &&
          waiters_.try_emplace(next.compressed_offset).second)
        to_fetch.push_back(next);
    fetch(to_fetch, false, asked.cause);
    if (waiting->missing == 0 && !asked.wanted.empty())
      answer(*waiting);
  }

  void prefetch(const prefetch_chunks& asked) {
    std::vector<chunk> to_fetch;
    for (const auto& next : asked.chunks)
      if (is_worth_fetching(next) && waiters_.try_emplace(next.compressed_offset).second)
        to_fetch.push_back(next);
    add(parts_->cache_seen->prefetch_chunks, to_fetch.size());
    auto job = std::make_shared<prefetch_job>();
    job->asker = asked.asker;
    for (const auto offset : fetch(to_fetch, true, asked.cause)) {
      jobs_.emplace(offset, job);
      ++job->missing;
    }
    if (job->missing == 0)
      send(job->asker, job->total);
  }

  /// Sends the fetcher runs for `wanted`, and says where each begins.
  std::vector<std::uint64_t> fetch(const std::vector<chunk>& wanted, bool is_prefetch,
                                   const fetch_cause& cause) {
    std::vector<std::uint64_t> offsets;
    for (auto& run : plan_reads(wanted, parts_->source, parts_->batch_size)) {
      offsets.push_back(run.offset);
      send(parts_->fetcher, fetch_run{caf::actor_cast<caf::actor>(this), parts_, std::move(run), is_prefetch,
                                      cause, now_nanoseconds()});
    }
    return offsets;
  }

  void settle(run_read& outcome) {
    note(outcome.trace);
    for (auto& settled : outcome.chunks) {
      const auto flight = waiters_.find(settled.compressed_offset);
      if (flight == waiters_.end())
        continue;
      for (const auto& waiting : flight->second) {
        waiting->settled.push_back(settled);
        if (--waiting->missing == 0)
          answer(*waiting);
      }
      waiters_.erase(flight);
    }
    if (outcome.is_prefetch)
      finish_prefetch(outcome);
  }

  void finish_prefetch(const run_read& outcome) {
    const auto found = jobs_.find(outcome.offset);
    if (found == jobs_.end())
      return;
    const auto job = std::move(found->second);
    jobs_.erase(found);
    add(parts_->cache_seen->prefetch_requests);
    add(parts_->cache_seen->prefetched_bytes, outcome.bytes);
    job->total.bytes += outcome.bytes;
    ++job->total.requests;
    if (--job->missing == 0)
      send(job->asker, job->total);
  }

  void answer(waiter& outcome) {
    send(outcome.asker, chunks_ready{outcome.ticket, std::move(outcome.settled)});
  }

  std::shared_ptr<const blob_cache_parts> parts_;
  // Who waits for each chunk under way, by its compressed offset; nobody: it is fetched ahead.
  std::unordered_map<std::uint64_t, std::vector<waiter_handle>> waiters_;
  std::unordered_map<std::uint64_t, std::shared_ptr<prefetch_job>> jobs_; // by their runs' offsets
};

} // namespace

caf::actor spawn_blob_cache(caf::actor_system& system, blob_cache_parts parts) {
  return system.spawn<blob_cache, caf::lazy_init>(std::move(parts));
}

} // namespace nydus
