// SPDX-License-Identifier: Apache-2.0
#include "api/prometheus_text.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include "actors/blob_fetcher.hpp"
#include "api/prometheus_format.hpp"
#include "api/version.hpp"

namespace nydus {

namespace {

/// As mount_counters.cpp fills the buckets; sizes are whole, so "less than 1024" is "at most 1023".
constexpr bucket_ends read_seconds{"0.0002", "0.001", "0.02", "0.05", "0.5", "1", "2"};
constexpr bucket_ends backend_seconds{"0.001", "0.02", "0.05", "0.1", "0.5", "1", "2"};
constexpr bucket_ends read_bytes{"1023", "4095", "16383", "65535", "131071", "524287", "1048575"};

constexpr std::array<const char*, file_operation_count> operation_names{
    "getattr", "readlink", "open",    "release",     "read",   "statfs", "getxattr",    "listxattr",
    "opendir", "lookup",   "readdir", "readdirplus", "access", "forget", "batch_forget"};
constexpr auto read_index = static_cast<std::size_t>(file_operation::read);

double seconds_of_micros(std::uint64_t micros) {
  return static_cast<double>(micros) / 1e6;
}
double seconds_of_nanos(std::uint64_t nanos) {
  return static_cast<double>(nanos) / 1e9;
}

// -- sums over all mounts ------------------------------------------------------

void write_totals(exposition& out, const mount_counters& all) {
  out.family("nydus_operations_total", "counter", "File operations that succeeded.");
  for (std::size_t i = 0; i < operation_names.size(); ++i)
    out.sample(label("operation", operation_names[i]), all.hits[i].load());
  out.family("nydus_operation_errors_total", "counter", "File operations that failed.");
  for (std::size_t i = 0; i < operation_names.size(); ++i)
    out.sample(label("operation", operation_names[i]), all.errors[i].load());
  out.family("nydus_read_seconds", "histogram", "Time from the request of a read to its bytes.");
  out.histogram({}, read_seconds, all.read_latencies, seconds_of_micros(all.latency_total[read_index]));
  out.family("nydus_read_bytes", "histogram", "Bytes that a read was answered with.");
  out.histogram({}, read_bytes, all.read_sizes, static_cast<double>(all.data_read));
}

void write_caches(exposition& out, const cache_counters& all, const mount_list& mounts) {
  out.single("nydus_cache_reads_total", "counter", "Reads of mounts.", all.reads.load());
  out.single("nydus_cache_whole_hits_total", "counter", "Reads that the cache alone served.",
             all.whole_hits.load());
  out.single("nydus_cache_partial_hits_total", "counter", "Reads that had to fetch some chunk.",
             all.partial_hits.load());
  out.single("nydus_cache_prefetched_bytes_total", "counter", "Bytes fetched ahead of any reader.",
             all.prefetched_bytes.load());
  out.single("nydus_cache_prefetch_requests_total", "counter", "Backend reads that fetched ahead.",
             all.prefetch_requests.load());
  std::set<const cache_counters*> blobs;
  std::uint64_t buffered = 0;
  for (const auto& mount : mounts.mounts)
    for (const auto& blob : mount->blobs)
      if (blobs.insert(blob.cache.get()).second)
        buffered += blob.cache->buffered_bytes;
  out.single("nydus_cache_buffered_bytes", "gauge", "Bytes fetched and not yet written to a cache file.",
             buffered);
}

// -- each mount ----------------------------------------------------------------

struct listed_mount {
  std::string labels;
  const mount_record* record;
};

template <class Value>
void write_each(exposition& out, const std::vector<listed_mount>& mounts, const char* name, const char* type,
                const char* help, Value value) {
  out.family(name, type, help);
  for (const auto& one : mounts)
    out.sample(one.labels, value(*one.record));
}

std::uint64_t sum_of(const std::array<counter, file_operation_count>& counters) {
  std::uint64_t sum = 0;
  for (const auto& one : counters)
    sum += one;
  return sum;
}

void write_mounts(exposition& out, const mount_list& all) {
  const auto count = std::min(all.mounts.size(), most_listed_mounts);
  std::vector<listed_mount> mounts;
  for (std::size_t i = 0; i < count; ++i)
    mounts.push_back({label("mountpoint", all.mounts[i]->mountpoint), all.mounts[i].get()});
  out.single("nydus_mounts", "gauge", "Images that are mounted.", all.mounts.size());
  out.single("nydus_mounts_listed", "gauge", "Mounts that have series of their own.", count);
  write_each(out, mounts, "nydus_mount_operations_total", "counter", "File operations that succeeded.",
             [](const mount_record& m) { return sum_of(m.counters->hits); });
  write_each(out, mounts, "nydus_mount_reads_total", "counter", "Reads that succeeded.",
             [](const mount_record& m) { return m.counters->hits[read_index].load(); });
  write_each(out, mounts, "nydus_mount_read_errors_total", "counter", "Reads that failed.",
             [](const mount_record& m) { return m.counters->errors[read_index].load(); });
  write_each(out, mounts, "nydus_mount_read_bytes_total", "counter", "Bytes read.",
             [](const mount_record& m) { return m.counters->data_read.load(); });
  write_each(out, mounts, "nydus_mount_read_seconds_total", "counter", "Time that the reads took together.",
             [](const mount_record& m) { return seconds_of_micros(m.counters->latency_total[read_index]); });
  write_each(out, mounts, "nydus_mount_waiting_reads", "gauge", "Reads that wait for chunks.",
             [](const mount_record& m) { return m.counters->waiting_reads.load(); });
  write_each(out, mounts, "nydus_mount_waiting_bytes", "gauge", "Bytes that those reads asked for.",
             [](const mount_record& m) { return m.counters->waiting_bytes.load(); });
  write_each(out, mounts, "nydus_mount_queued_reads", "gauge", "Reads beyond the limits of what may wait.",
             [](const mount_record& m) { return m.counters->queued_reads.load(); });
}

// -- backends ------------------------------------------------------------------

/// What backends of one name have under way: several settings may name the same place.
struct backend_load {
  std::uint64_t requests = 0, request_limit = 0, bytes = 0, byte_limit = 0, queued = 0, prefetch = 0,
                readers = 0, oldest = 0; // nanoseconds
};

std::map<std::string, backend_load> loads_of(const backend_list& backends, std::uint64_t now) {
  std::map<std::string, backend_load> loads;
  for (const auto& one : backends.backends) {
    auto& load = loads[label("backend", one->name)];
    load.requests += one->requests_under_way;
    load.request_limit += one->request_limit;
    load.bytes += one->bytes_under_way;
    load.byte_limit += one->byte_limit;
    load.queued += one->requests_queued;
    load.prefetch += one->prefetch_queued;
    load.readers += one->readers;
    const std::uint64_t since = one->oldest_under_way;
    load.oldest = std::max(load.oldest, since == 0 || since > now ? 0 : now - since);
  }
  while (loads.size() > most_listed_backends)
    loads.erase(std::prev(loads.end()));
  return loads;
}

void write_loads(exposition& out, const std::map<std::string, backend_load>& loads) {
  const auto each = [&](const char* name, const char* help, std::uint64_t backend_load::*field) {
    out.family(name, "gauge", help);
    for (const auto& [labels, load] : loads)
      out.sample(labels, load.*field);
  };
  each("nydus_backend_requests_under_way", "Reads that the backend has not answered.",
       &backend_load::requests);
  each("nydus_backend_request_limit", "Most reads under way at once.", &backend_load::request_limit);
  each("nydus_backend_bytes_under_way", "Bytes of those reads.", &backend_load::bytes);
  each("nydus_backend_byte_limit", "Most bytes under way at once.", &backend_load::byte_limit);
  each("nydus_backend_requests_queued", "Reads that wait for their turn, with a reader behind them.",
       &backend_load::queued);
  each("nydus_backend_prefetch_queued", "Reads ahead that wait for their turn.", &backend_load::prefetch);
  each("nydus_backend_reader_threads", "Threads that read, idle ones included.", &backend_load::readers);
  out.family("nydus_backend_oldest_seconds", "gauge", "Age of the oldest read under way.");
  for (const auto& [labels, load] : loads)
    out.sample(labels, seconds_of_nanos(load.oldest));
}

void write_backends(exposition& out, const std::map<std::string, backend_counters>& kinds) {
  const auto each = [&](const char* name, const char* help, counter backend_counters::*field) {
    out.family(name, "counter", help);
    for (const auto& [labels, all] : kinds)
      out.sample(labels, (all.*field).load());
  };
  each("nydus_backend_reads_total", "Reads of backends, by their kind.", &backend_counters::reads);
  each("nydus_backend_read_errors_total", "Reads of backends that failed.", &backend_counters::errors);
  each("nydus_backend_read_bytes_total", "Bytes read from backends.", &backend_counters::bytes);
  out.family("nydus_backend_read_seconds", "histogram", "Time that a backend took for a read.");
  for (const auto& [labels, all] : kinds)
    out.histogram(labels, backend_seconds, all.latencies, static_cast<double>(all.latency_total) / 1e3);
}

// -- actors, reactors and ports ------------------------------------------------

/// Actors of one kind now.
struct kind_now {
  std::uint64_t count = 0, mailbox = 0, deepest = 0;
};

void write_actors(exposition& out, const std::map<std::string, kind_now>& now,
                  const std::map<std::string, actor_work>& work) {
  const auto each_now = [&](const char* name, const char* help, std::uint64_t kind_now::*field) {
    out.family(name, "gauge", help);
    for (const auto& [labels, kind] : now)
      out.sample(labels, kind.*field);
  };
  each_now("nydus_actors", "Actors, by kind.", &kind_now::count);
  each_now("nydus_actor_mailbox_messages", "Messages that wait in the mailboxes of a kind.",
           &kind_now::mailbox);
  each_now("nydus_actor_mailbox_most_messages", "Most messages that one mailbox of the kind ever held.",
           &kind_now::deepest);
  out.family("nydus_actor_messages_total", "counter", "Messages that actors of a kind handled.");
  for (const auto& [labels, done] : work)
    out.sample(labels, done.handled);
  out.family("nydus_actor_busy_seconds_total", "counter", "Time that they took, from samples.");
  for (const auto& [labels, done] : work)
    out.sample(labels, seconds_of_nanos(done.busy));
  out.family("nydus_actor_restarts_total", "counter", "Times that actors of a kind failed and started anew.");
  for (const auto& [labels, done] : work)
    out.sample(labels, done.restarts);
}

void write_reactors(exposition& out, const std::vector<const reactor*>& reactors) {
  using counters = reactor::loop_counters;
  const auto each = [&](const char* name, const char* type, const char* help, auto value) {
    out.family(name, type, help);
    for (const auto* one : reactors)
      out.sample(label("reactor", one->name()), value(one->counters()));
  };
  each("nydus_reactor_rounds_total", "counter", "Rounds of the loop.",
       [](const counters& c) { return c.rounds.load(); });
  each("nydus_reactor_resumptions_total", "counter", "Actors that were run.",
       [](const counters& c) { return c.resumptions.load(); });
  each("nydus_reactor_wake_ups_total", "counter", "Times that another thread woke the loop.",
       [](const counters& c) { return c.wake_ups.load(); });
  each("nydus_reactor_busy_seconds_total", "counter", "Time outside of epoll_wait and of looking ahead.",
       [](const counters& c) { return seconds_of_nanos(c.busy); });
  each("nydus_reactor_looked_ahead_seconds_total", "counter",
       "Time spent on looking at virtqueues before sleeping.",
       [](const counters& c) { return seconds_of_nanos(c.looked_ahead); });
  each("nydus_reactor_longest_round_seconds", "gauge", "Longest time between two epoll_waits.",
       [](const counters& c) { return seconds_of_nanos(c.longest_round); });
}

void write_ports(exposition& out, const inflight_list& inflight, std::uint64_t now) {
  auto oldest = now;
  for (const auto& one : inflight.requests)
    oldest = std::min(oldest, one.received);
  out.single("nydus_requests_in_flight", "gauge", "Requests that ports took and have not answered.",
             inflight.requests.size());
  out.single("nydus_request_oldest_seconds", "gauge", "Age of the oldest of them.",
             seconds_of_nanos(now - oldest));
}

} // namespace

void add_all(actor_work& total, const actor_counters& one) {
  total.handled += one.handled;
  total.busy += one.busy;
  total.restarts += one.restarts;
}
void add_all(actor_work& total, const actor_work& gone) {
  total.handled += gone.handled;
  total.busy += gone.busy;
  total.restarts += gone.restarts;
}

std::string prometheus_text::write(const running_parts& seen, const inflight_list& in_flight) {
  follow(seen);
  exposition out;
  const auto& made = version();
  out.family("nydus_build_info", "gauge", "Always 1; says what runs.");
  out.sample(label("version", made.package) + "," + label("commit", made.commit), 1);

  mount_counters files;
  mounts_.add_to(files);
  write_totals(out, files);
  cache_counters cached;
  caches_.add_to(cached);
  write_caches(out, cached, seen.mounts);
  write_mounts(out, seen.mounts);

  std::map<std::string, backend_counters> kinds;
  for (const auto& [kind, sum] : backends_)
    sum.add_to(kinds[label("kind", kind)]);
  write_backends(out, kinds);
  write_loads(out, loads_of(seen.backends, seen.now));

  std::map<std::string, actor_work> work;
  for (const auto& [kind, sum] : actors_)
    sum.add_to(work[label("kind", kind)]);
  std::map<std::string, kind_now> now;
  for (const auto& [counters, rate] : seen.actors.actors) {
    auto& kind = now[label("kind", counters->kind)];
    ++kind.count;
    kind.mailbox += counters->depth();
    kind.deepest = std::max<std::uint64_t>(kind.deepest, counters->deepest);
  }
  write_actors(out, now, work);
  write_reactors(out, seen.reactors);
  write_ports(out, in_flight, seen.now);
  return out.take();
}

void prometheus_text::follow(const running_parts& seen) {
  std::vector<std::shared_ptr<const mount_counters>> files;
  std::vector<std::shared_ptr<const cache_counters>> caches;
  std::map<std::string, std::vector<std::shared_ptr<const backend_counters>>> backends;
  for (const auto& mount : seen.mounts.mounts) {
    files.push_back(mount->counters);
    caches.push_back(mount->cache);
    for (const auto& blob : mount->blobs) {
      caches.push_back(blob.cache);
      backends[mount->settings->backend.kind].push_back(blob.backend);
    }
  }
  mounts_.follow(files);
  caches_.follow(caches);
  std::map<std::string, std::vector<std::shared_ptr<const actor_counters>>> actors;
  for (const auto& one : seen.actors.actors)
    actors[one.counters->kind].push_back(one.counters);
  follow_each(backends_, std::move(backends));
  follow_each(actors_, std::move(actors));
}

/// Also those kinds of which none is left.
template <class Sums, class Present>
void prometheus_text::follow_each(Sums& sums, Present present) {
  for (auto& [kind, sum] : sums)
    present.try_emplace(kind);
  for (const auto& [kind, owners] : present)
    sums[kind].follow(owners);
}

} // namespace nydus
