// SPDX-License-Identifier: Apache-2.0
#include "actors/blob_reader.hpp"

#include <chrono>

#include "actors/blob_cache.hpp"
#include "actors/blob_fetcher.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "actors/threaded_actor.hpp"
#include "storage/chunk_decode.hpp"

namespace nydus {

namespace {

void count(backend_counters& seen, std::uint64_t bytes, std::uint64_t millis, bool is_good) noexcept {
  if (!is_good)
    return add(seen.errors);
  const auto size = size_bucket(bytes);
  const auto latency = backend_latency_bucket(millis);
  add(seen.reads);
  add(seen.bytes, bytes);
  add(seen.latency_total, millis);
  add(seen.latencies[latency]);
  add(seen.sizes[size]);
  add(seen.latencies_by_size[size][latency]);
}

/// Reads the run, from the cache file if all of it is kept there, else from the backend.
result<owned_bytes> read_stored(const blob_cache_parts& parts, const planned_read& run) {
  const auto begin = std::chrono::steady_clock::now();
  result<owned_bytes> stored = failure{errc::abandoned, "the backend gave no answer"};
  parts.backend->read({parts.source.id, run.offset, run.size},
                      [&](result<owned_bytes> outcome) { stored = std::move(outcome); });
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  if (!stored)
    log_line(log_level::error, "blob " + parts.source.id + ": " + stored.error().detail);
  count(*parts.backend_seen, run.size, static_cast<std::uint64_t>(took.count()), static_cast<bool>(stored));
  return stored;
}

/// Decodes, checks and stores one chunk. Its bytes are handed on where the cache file does not serve them.
settled_chunk settle(const blob_cache_parts& parts, const chunk& wanted, std::span<const std::byte> stored,
                     bool is_from_cache) {
  settled_chunk settled;
  settled.compressed_offset = wanted.compressed_offset;
  auto plain = std::make_shared<owned_bytes>(std::size_t{wanted.uncompressed_size});
  const auto decoded = decode_chunk(wanted, parts.source, stored, plain->span(), parts.check_fetched);
  if (!decoded) {
    settled.why = decoded.error().code;
    log_line(log_level::error, decoded.error().detail);
    return settled;
  }
  if (parts.files && !is_from_cache) {
    const auto kept = parts.files->store(wanted, stored, plain->span());
    if (kept && !parts.files->keeps_compressed())
      return settled;
    if (!kept && kept.error().code != errc::not_supported)
      log_line(log_level::error,
               "the cache cannot keep a chunk, it is served uncached: " + kept.error().detail);
  }
  settled.bytes = std::move(plain);
  return settled;
}

/// A chunk that the cache file holds and that has to be decoded (compressed cache) or checked again before it
/// is served.
std::optional<settled_chunk> settle_kept(const blob_cache_parts& parts, const chunk& wanted) {
  if (!parts.files || !parts.files->is_kept(wanted))
    return std::nullopt;
  if (parts.files->is_servable(wanted)) // another process fetched it meanwhile
    return settled_chunk{wanted.compressed_offset, nullptr, errc::none};
  owned_bytes kept{parts.files->size_of(wanted)};
  if (!parts.files->file()->read(parts.files->offset_of(wanted), kept.span()))
    return std::nullopt;
  if (parts.files->keeps_compressed()) {
    auto settled = settle(parts, wanted, kept.span(), true);
    return settled.why == errc::none ? std::optional{std::move(settled)} : std::nullopt;
  }
  if (!check_chunk(wanted, parts.source, kept.span(), true))
    return std::nullopt; // fetched anew
  parts.files->mark_checked(wanted);
  return settled_chunk{wanted.compressed_offset, nullptr, errc::none};
}

/// The first failure of a fetch is its outcome.
void note_failure(trace_event& trace, errc why) noexcept {
  if (trace.outcome == 0)
    trace.outcome = static_cast<std::uint32_t>(to_errno(why));
}

/// The answer to `work`, with no chunk in it yet.
run_read answer_to(const fetch_run& work) {
  run_read done;
  done.offset = work.run.offset;
  done.is_prefetch = work.is_prefetch;
  done.trace.kind = trace_kind::fetch;
  done.trace.trace = work.cause.trace;
  done.trace.mount = work.cause.mount;
  done.trace.subject = work.run.offset;
  done.trace.opcode = static_cast<std::uint32_t>(work.run.chunks.size());
  done.trace.name_blob(work.parts->source.id);
  done.trace.times.received = work.queued_at;
  done.trace.times.routed = now_nanoseconds();
  return done;
}

run_read carry_out(const fetch_run& work) {
  const auto& parts = *work.parts;
  auto done = answer_to(work);
  std::vector<chunk> missing;
  for (const auto& wanted : work.run.chunks) {
    if (auto kept = settle_kept(parts, wanted))
      done.chunks.push_back(std::move(*kept));
    else
      missing.push_back(wanted);
  }
  for (const auto& part : plan_reads(missing, parts.source, parts.batch_size)) {
    auto stored = read_stored(parts, part);
    done.trace.times.mounted = now_nanoseconds();
    for (const auto& wanted : part.chunks) {
      if (!stored) {
        note_failure(done.trace, stored.error().code);
        done.chunks.push_back({wanted.compressed_offset, nullptr, stored.error().code});
        continue;
      }
      const auto offset = static_cast<std::size_t>(wanted.compressed_offset - part.offset);
      const auto size = static_cast<std::size_t>(stored_size(wanted, parts.source));
      done.chunks.push_back(
          settle(parts, wanted, std::as_const(*stored).span().subspan(offset, size), false));
      if (done.chunks.back().why != errc::none)
        note_failure(done.trace, done.chunks.back().why);
    }
    if (stored)
      done.bytes += part.size;
  }
  done.trace.size = done.bytes;
  done.trace.ended = now_nanoseconds();
  return done;
}

class blob_reader : public threaded_actor {
public:
  blob_reader(caf::actor_config& config, caf::actor fetcher, const std::string& backend)
      : threaded_actor(config, "blob_reader", backend), fetcher_(std::move(fetcher)) {}

  caf::behavior make_behavior() override {
    return {[this](const read_run& asked) { answer(asked, carry_out(*asked.work)); }};
  }

  void on_exit() override { fetcher_ = nullptr; }

private:
  void start_anew(const caf::type_erased_tuple& lost) noexcept override {
    if (const auto* asked = as<read_run>(lost))
      answer(*asked, failed_run(*asked->work, errc::abandoned));
  }

  void answer(const read_run& asked, run_read outcome) {
    send_to(asked.home, asked.work->cache, std::move(outcome));
    send_to(asked.home, fetcher_, reader_idle{caf::actor_cast<caf::actor>(this)});
  }

  /// Straight to the reactor that the work came from: by way of the worker pool it would wake two threads.
  template <class Message>
  void send_to(reactor* home, const caf::actor& to, Message message) {
    to->enqueue(caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, std::move(message)), home);
  }

  caf::actor fetcher_;
};

} // namespace

run_read failed_run(const fetch_run& work, errc why) {
  auto failed = answer_to(work);
  for (const auto& wanted : work.run.chunks)
    failed.chunks.push_back({wanted.compressed_offset, nullptr, why});
  note_failure(failed.trace, why);
  failed.trace.ended = now_nanoseconds();
  return failed;
}

result<caf::actor> spawn_blob_reader(caf::actor_system& system, caf::actor fetcher,
                                     const std::string& backend) {
  return spawn_threaded<blob_reader>(system, std::move(fetcher), backend);
}

} // namespace nydus
