// SPDX-License-Identifier: Apache-2.0
#include "actors/blob_cache.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "actors/blob_reader.hpp"
#include "actors/message_types.hpp"

namespace nydus {

namespace {

// Threads that read and decode one blob at once: enough to keep the cores busy while the backend is read.
constexpr std::size_t most_readers = 3;
// Readers that a prefetch may occupy: one is always left for whoever waits.
constexpr std::size_t most_prefetching_readers = 1;

/// Somebody who waits for a number of chunks.
struct waiter {
  caf::actor asker;
  std::uint64_t ticket = 0;
  std::size_t missing = 0;
  std::vector<settled_chunk> settled;
};
using waiter_handle = std::shared_ptr<waiter>;

struct prefetch_job {
  caf::actor asker;
  std::size_t missing = 0; // runs
  prefetched total;
};

/// A chunk that is being fetched or waits for its turn.
struct chunk_in_flight {
  std::vector<waiter_handle> waiters;
};

class blob_cache : public caf::event_based_actor {
public:
  blob_cache(caf::actor_config& config, blob_cache_parts parts)
      : caf::event_based_actor(config), parts_(std::make_shared<const blob_cache_parts>(std::move(parts))) {}

  const char* name() const override { return "blob_cache"; }

  caf::behavior make_behavior() override {
    return {
        [this](const need_chunks& asked) { need(asked); },
        [this](const prefetch_chunks& asked) { prefetch(asked); },
        [this](run_read& outcome) { settle(outcome); },
    };
  }

  void on_exit() override {
    for (const auto& reader : readers_)
      anon_send_exit(reader, caf::exit_reason::user_shutdown);
    readers_.clear();
    idle_.clear();
    waiting_.clear();
    prefetching_.clear();
    in_flight_.clear();
  }

private:
  struct queued_run {
    planned_read run;
    std::shared_ptr<prefetch_job> job; // null: somebody waits for it
  };

  bool is_servable(const chunk& wanted) const noexcept {
    return parts_->files && parts_->files->is_servable(wanted);
  }

  /// Nobody waits for it, so it is fetched only if the cache will keep it.
  bool is_worth_fetching(const chunk& next) const noexcept {
    return parts_->files && parts_->source.has_chunk_index() && !parts_->files->is_kept(next);
  }

  void need(const need_chunks& asked) {
    auto waiting = std::make_shared<waiter>(waiter{asked.asker, asked.ticket, 0, {}});
    std::vector<chunk> to_fetch;
    for (const auto& wanted : asked.wanted) {
      if (is_servable(wanted)) { // came while the message was under way
        waiting->settled.push_back({wanted.compressed_offset, nullptr, errc::none});
        continue;
      }
      auto [flight, is_new] = in_flight_.try_emplace(wanted.compressed_offset);
      flight->second.waiters.push_back(waiting);
      ++waiting->missing;
      if (is_new)
        to_fetch.push_back(wanted);
      else
        hurry(wanted.compressed_offset);
    }
    for (const auto& next : asked.ahead)
      if (is_worth_fetching(next) && in_flight_.try_emplace(next.compressed_offset).second)
        to_fetch.push_back(next);
    for (auto& run : plan_reads(to_fetch, parts_->source, parts_->batch_size))
      waiting_.push_back({std::move(run), nullptr});
    if (waiting->missing == 0 && !asked.wanted.empty())
      answer(*waiting);
    dispatch();
  }

  /// Moves a run that only waits as prefetch in front, since somebody waits for one of its chunks now.
  void hurry(std::uint64_t compressed_offset) {
    for (auto run = prefetching_.begin(); run != prefetching_.end(); ++run) {
      if (compressed_offset < run->run.offset || compressed_offset >= run->run.offset + run->run.size)
        continue;
      waiting_.push_back(std::move(*run));
      prefetching_.erase(run);
      return;
    }
  }

  void prefetch(const prefetch_chunks& asked) {
    std::vector<chunk> to_fetch;
    for (const auto& next : asked.chunks)
      if (is_worth_fetching(next) && in_flight_.try_emplace(next.compressed_offset).second)
        to_fetch.push_back(next);
    auto plan = plan_reads(to_fetch, parts_->source, parts_->batch_size);
    auto job = std::make_shared<prefetch_job>();
    job->asker = asked.asker;
    job->missing = plan.size();
    add(parts_->cache_seen->prefetch_chunks, to_fetch.size());
    if (plan.empty()) {
      send(job->asker, job->total);
      return;
    }
    for (auto& run : plan)
      prefetching_.push_back({std::move(run), job});
    dispatch();
  }

  void dispatch() {
    while (true) {
      const bool may_prefetch = waiting_.empty() && prefetch_runs_ < most_prefetching_readers;
      auto& queue = !waiting_.empty() ? waiting_ : prefetching_;
      if (queue.empty() || (waiting_.empty() && !may_prefetch))
        return;
      if (idle_.empty()) {
        if (readers_.size() == most_readers)
          return;
        readers_.push_back(spawn_blob_reader(system(), parts_));
        idle_.push_back(readers_.back());
      }
      auto reader = std::move(idle_.back());
      idle_.pop_back();
      auto next = std::move(queue.front());
      queue.pop_front();
      const bool is_prefetch = next.job != nullptr;
      prefetch_runs_ += is_prefetch ? 1 : 0;
      if (is_prefetch)
        jobs_.emplace(reader.id(), next.job);
      // Named without a unit, so that it wakes on its own thread and not here.
      caf::anon_send(reader, read_run{caf::actor_cast<caf::actor>(this), std::move(next.run), is_prefetch});
    }
  }

  void settle(run_read& outcome) {
    for (auto& settled : outcome.chunks) {
      const auto flight = in_flight_.find(settled.compressed_offset);
      if (flight == in_flight_.end())
        continue;
      auto waiters = std::move(flight->second.waiters);
      in_flight_.erase(flight);
      for (const auto& waiting : waiters) {
        waiting->settled.push_back(settled);
        if (--waiting->missing == 0)
          answer(*waiting);
      }
    }
    if (outcome.is_prefetch) {
      --prefetch_runs_;
      finish_prefetch(outcome);
    }
    idle_.push_back(outcome.reader);
    dispatch();
  }

  void finish_prefetch(const run_read& outcome) {
    const auto found = jobs_.find(outcome.reader.id());
    if (found == jobs_.end())
      return;
    const auto job = found->second;
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
  std::unordered_map<std::uint64_t, chunk_in_flight> in_flight_; // by compressed offset
  std::deque<queued_run> waiting_;                               // readers wait for these
  std::deque<queued_run> prefetching_;                           // nobody does
  std::vector<caf::actor> readers_;
  std::vector<caf::actor> idle_;
  std::unordered_map<caf::actor_id, std::shared_ptr<prefetch_job>> jobs_; // by the reader that works on it
  std::size_t prefetch_runs_ = 0;
};

} // namespace

caf::actor spawn_blob_cache(caf::actor_system& system, blob_cache_parts parts) {
  return system.spawn<blob_cache, caf::lazy_init>(std::move(parts));
}

} // namespace nydus
