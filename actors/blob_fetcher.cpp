// SPDX-License-Identifier: Apache-2.0
#include "actors/blob_fetcher.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <vector>

#include "actors/blob_reader.hpp"
#include "actors/lasting_actor.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"

namespace nydus {

namespace {

constexpr std::chrono::seconds idle_reader_life{5};

using run_handle = std::shared_ptr<const fetch_run>;

/// Runs by cache, which take turns.
class fair_queue {
public:
  bool is_empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }
  const run_handle& front() const { return lanes_.front().runs.front(); }

  void push(run_handle run) {
    auto own = lane_of(run->cache.id());
    if (own == lanes_.end())
      own = lanes_.insert(lanes_.end(), lane{run->cache.id(), {}});
    own->runs.push_back(std::move(run));
    ++size_;
  }

  void pop() {
    auto first = std::move(lanes_.front());
    lanes_.pop_front();
    first.runs.pop_front();
    --size_;
    if (!first.runs.empty())
      lanes_.push_back(std::move(first));
  }

  /// Takes out the run of `cache` that reads the byte at `offset`; null if it is not here.
  run_handle take(caf::actor_id cache, std::uint64_t offset) {
    const auto own = lane_of(cache);
    if (own == lanes_.end())
      return nullptr;
    const auto found = std::find_if(own->runs.begin(), own->runs.end(), [&](const run_handle& one) {
      return offset >= one->run.offset && offset - one->run.offset < one->run.size;
    });
    if (found == own->runs.end())
      return nullptr;
    auto taken = std::move(*found);
    own->runs.erase(found);
    --size_;
    if (own->runs.empty())
      lanes_.erase(own);
    return taken;
  }

  void drop(caf::actor_id cache) {
    const auto own = lane_of(cache);
    if (own == lanes_.end())
      return;
    size_ -= own->runs.size();
    lanes_.erase(own);
  }

  void clear() {
    lanes_.clear();
    size_ = 0;
  }

private:
  struct lane {
    caf::actor_id cache = 0;
    std::deque<run_handle> runs;
  };

  std::deque<lane>::iterator lane_of(caf::actor_id cache) {
    return std::find_if(lanes_.begin(), lanes_.end(), [&](const lane& one) { return one.cache == cache; });
  }

  std::deque<lane> lanes_; // none is empty; the first one's turn is next
  std::size_t size_ = 0;
};

class blob_fetcher : public lasting_actor {
public:
  blob_fetcher(caf::actor_config& config, blob_fetcher_parts parts)
      : lasting_actor(config, "blob_fetcher", parts.name), parts_(std::move(parts)) {
    parts_.seen->name = parts_.name;
    parts_.seen->request_limit = parts_.limits.backend_requests;
    parts_.seen->byte_limit = parts_.limits.backend_bytes;
  }

  caf::behavior make_behavior() override {
    return {
        [this](fetch_run& asked) {
          auto run = std::make_shared<const fetch_run>(std::move(asked));
          (run->is_prefetch ? prefetching_ : waiting_).push(std::move(run));
          dispatch();
        },
        [this](const hurry_run& asked) {
          auto run = prefetching_.take(asked.cache.id(), asked.compressed_offset);
          if (!run)
            return; // under way already
          waiting_.push(std::move(run));
          dispatch();
        },
        [this](const drop_runs& asked) {
          waiting_.drop(asked.cache.id());
          prefetching_.drop(asked.cache.id());
          show();
        },
        [this](const reader_idle& freed) { take_back(freed.reader); },
        [this](const end_idle_readers&) { end_idle(); },
    };
  }

  void on_exit() override {
    for (const auto& one : idle_)
      anon_send_exit(one.reader, caf::exit_reason::user_shutdown);
    for (const auto& [id, job] : under_way_) // they end once their read does
      anon_send_exit(job.reader, caf::exit_reason::user_shutdown);
    idle_.clear();
    under_way_.clear();
    waiting_.clear();
    prefetching_.clear();
    show();
  }

private:
  using end_idle_readers = caf::atom_constant<caf::atom("end_idle")>;
  using steady = std::chrono::steady_clock;
  struct idle_reader {
    caf::actor reader;
    steady::time_point since;
  };
  struct reader_job {
    caf::actor reader;
    run_handle run;
    std::uint64_t began = 0; // nanoseconds
  };

  /// Readers that still read come back unknown, and end then.
  void start_anew(const caf::type_erased_tuple& lost) noexcept override {
    if (const auto* asked = as<fetch_run>(lost); asked != nullptr && asked->cache)
      fail(*asked, errc::abandoned); // else it is among these
    for (auto* queue : {&waiting_, &prefetching_})
      for (; !queue->is_empty(); queue->pop())
        fail(*queue->front(), errc::abandoned);
    for (const auto& [id, job] : under_way_)
      fail(*job.run, errc::abandoned);
    for (const auto& one : idle_)
      anon_send_exit(one.reader, caf::exit_reason::user_shutdown);
    idle_.clear();
    under_way_.clear();
    bytes_under_way_ = prefetches_under_way_ = readers_ = 0;
    show();
  }

  void fail(const fetch_run& run, errc why) { send(run.cache, failed_run(run, why)); }

  bool has_place_for(const fetch_run& next) const noexcept {
    const auto& limits = parts_.limits;
    return under_way_.empty() || (under_way_.size() < limits.backend_requests &&
                                  bytes_under_way_ + next.run.size <= limits.backend_bytes);
  }

  /// Places that prefetch may take: some are always left for whoever waits.
  std::size_t prefetch_places() const noexcept {
    return std::max<std::size_t>(1, parts_.limits.backend_requests / 4);
  }

  void dispatch() {
    while (true) {
      auto& queue = waiting_.is_empty() ? prefetching_ : waiting_;
      if (queue.is_empty() || !has_place_for(*queue.front()) ||
          (waiting_.is_empty() && prefetches_under_way_ >= prefetch_places()))
        break;
      const auto reader = take_reader();
      if (reader)
        start(reader, queue.front());
      else if (under_way_.empty())
        fail(*queue.front(), errc::unavailable);
      else
        break; // until one of those comes back
      queue.pop();
    }
    show();
  }

  /// An idle reader, or a new one; null if there is no thread for it.
  caf::actor take_reader() {
    if (!idle_.empty()) {
      auto reader = std::move(idle_.back().reader);
      idle_.pop_back();
      return reader;
    }
    auto reader = spawn_blob_reader(system(), caf::actor_cast<caf::actor>(this), parts_.name);
    if (!reader) {
      log_line(log_level::error, "no reader for the backend " + parts_.name + ": " + reader.error().detail);
      return {};
    }
    ++readers_;
    return *std::move(reader);
  }

  void start(const caf::actor& reader, const run_handle& run) {
    under_way_.emplace(reader.id(), reader_job{reader, run, now_nanoseconds()});
    bytes_under_way_ += run->run.size;
    prefetches_under_way_ += run->is_prefetch ? 1 : 0;
    // Named without a unit, so that it wakes on its own thread and not here.
    caf::anon_send(reader, read_run{run, reactor::current()});
  }

  void take_back(const caf::actor& reader) {
    const auto found = under_way_.find(reader.id());
    if (found == under_way_.end())
      return anon_send_exit(reader, caf::exit_reason::user_shutdown); // from before a new start
    bytes_under_way_ -= found->second.run->run.size;
    prefetches_under_way_ -= found->second.run->is_prefetch ? 1 : 0;
    under_way_.erase(found);
    idle_.push_back({reader, steady::now()});
    dispatch();
    if (!idle_.empty() && !is_ending_idle_) {
      is_ending_idle_ = true;
      delayed_send(this, idle_reader_life, end_idle_readers::value);
    }
  }

  void end_idle() {
    const auto now = steady::now();
    // The longest idle are in front: work is given to the last.
    while (!idle_.empty() && now - idle_.front().since >= idle_reader_life) {
      anon_send_exit(idle_.front().reader, caf::exit_reason::user_shutdown);
      idle_.pop_front();
      --readers_;
    }
    is_ending_idle_ = !idle_.empty();
    if (is_ending_idle_)
      delayed_send(this, idle_reader_life, end_idle_readers::value);
    show();
  }

  void show() {
    auto& seen = *parts_.seen;
    constexpr auto relaxed = std::memory_order_relaxed;
    seen.requests_under_way.store(under_way_.size(), relaxed);
    seen.bytes_under_way.store(bytes_under_way_, relaxed);
    seen.requests_queued.store(waiting_.size(), relaxed);
    seen.prefetch_queued.store(prefetching_.size(), relaxed);
    seen.readers.store(readers_, relaxed);
    std::uint64_t oldest = 0;
    for (const auto& [id, job] : under_way_)
      oldest = oldest == 0 ? job.began : std::min(oldest, job.began);
    seen.oldest_under_way.store(oldest, relaxed);
  }

  blob_fetcher_parts parts_;
  fair_queue waiting_;                            // somebody waits for these
  fair_queue prefetching_;                        // nobody does
  std::map<caf::actor_id, reader_job> under_way_; // by reader
  std::deque<idle_reader> idle_;
  std::uint64_t bytes_under_way_ = 0;
  std::size_t prefetches_under_way_ = 0;
  std::size_t readers_ = 0;
  bool is_ending_idle_ = false;
};

} // namespace

caf::actor spawn_blob_fetcher(caf::actor_system& system, blob_fetcher_parts parts) {
  return system.spawn<blob_fetcher>(std::move(parts));
}

} // namespace nydus
