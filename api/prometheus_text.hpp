// SPDX-License-Identifier: Apache-2.0
// GET /metrics: what the daemon counts, in Prometheus's text format (version 0.0.4). Neighbours: inspection
// gathers what is written here, prometheus_format writes it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "actors/mount_messages.hpp"
#include "api/actors_text.hpp"
#include "api/lasting_sum.hpp"

namespace nydus {

constexpr auto prometheus_content_type = "text/plain; version=0.0.4; charset=utf-8";

/// Mounts and backends that have series of their own, first in the order of their names: with more, the
/// answer stays as long. The sums over all of them count everyone.
constexpr std::size_t most_listed_mounts = 1000;
constexpr std::size_t most_listed_backends = 100;

/// What actors of one kind have done together.
struct actor_work {
  std::uint64_t handled = 0; // messages
  std::uint64_t busy = 0;    // nanoseconds
  std::uint64_t restarts = 0;
};
void add_all(actor_work& total, const actor_counters& one);
void add_all(actor_work& total, const actor_work& gone);

/// Keeps the sums over mounts, blobs and actors that are gone. One owner, who calls it in turn.
class prometheus_text {
public:
  std::string write(const running_parts& running, const inflight_list& in_flight);

private:
  void follow(const running_parts& running);
  template <class Sums, class Present>
  static void follow_each(Sums& sums, Present present);

  lasting_sum<mount_counters> mounts_;
  lasting_sum<cache_counters> caches_;
  std::map<std::string, lasting_sum<backend_counters>> backends_;         // by kind of backend
  std::map<std::string, lasting_sum<actor_counters, actor_work>> actors_; // by kind of actor
};

} // namespace nydus
