// SPDX-License-Identifier: Apache-2.0
#include "actors/blob_reader.hpp"

#include <caf/event_based_actor.hpp>

#include <chrono>

#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "storage/chunk_decode.hpp"

namespace nydus {

namespace {

using parts_handle = std::shared_ptr<const blob_cache_parts>;

/// Reads the run, from the cache file if all of it is kept there, else from the backend.
result<owned_bytes> read_stored(const blob_cache_parts& parts, const planned_read& run) {
  const auto begin = std::chrono::steady_clock::now();
  result<owned_bytes> stored = failure{errc::abandoned, "the backend gave no answer"};
  parts.backend->read({parts.source.id, run.offset, run.size},
                      [&](result<owned_bytes> outcome) { stored = std::move(outcome); });
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  const auto millis = static_cast<std::uint64_t>(took.count());
  auto& seen = *parts.backend_seen;
  if (!stored) {
    add(seen.errors);
    log_line(log_level::warning, "blob " + parts.source.id + ": " + stored.error().detail);
    return stored;
  }
  const auto size = size_bucket(run.size);
  const auto latency = backend_latency_bucket(millis);
  add(seen.reads);
  add(seen.bytes, run.size);
  add(seen.latency_total, millis);
  add(seen.latencies[latency]);
  add(seen.sizes[size]);
  add(seen.latencies_by_size[size][latency]);
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
      log_line(log_level::warning,
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

run_read carry_out(const blob_cache_parts& parts, const planned_read& run) {
  run_read done;
  std::vector<chunk> missing;
  for (const auto& wanted : run.chunks) {
    if (auto kept = settle_kept(parts, wanted))
      done.chunks.push_back(std::move(*kept));
    else
      missing.push_back(wanted);
  }
  for (const auto& part : plan_reads(missing, parts.source, parts.batch_size)) {
    auto stored = read_stored(parts, part);
    for (const auto& wanted : part.chunks) {
      if (!stored) {
        done.chunks.push_back({wanted.compressed_offset, nullptr, stored.error().code});
        continue;
      }
      const auto offset = static_cast<std::size_t>(wanted.compressed_offset - part.offset);
      const auto size = static_cast<std::size_t>(stored_size(wanted, parts.source));
      done.chunks.push_back(
          settle(parts, wanted, std::as_const(*stored).span().subspan(offset, size), false));
    }
    if (stored)
      done.bytes += part.size;
  }
  return done;
}

} // namespace

caf::actor spawn_blob_reader(caf::actor_system& system, parts_handle parts) {
  return system.spawn<caf::detached>([parts](caf::event_based_actor* self) -> caf::behavior {
    return {
        [=](const read_run& asked) {
          auto done = carry_out(*parts, asked.run);
          done.reader = caf::actor_cast<caf::actor>(self);
          done.is_prefetch = asked.is_prefetch;
          self->send(asked.cache, std::move(done));
        },
    };
  });
}

} // namespace nydus
