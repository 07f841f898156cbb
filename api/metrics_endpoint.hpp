// SPDX-License-Identifier: Apache-2.0
// /api/v1/metrics and what lies below it, but for requests in flight: the counters of one mount, as clients
// of the public daemon ask for them (contract 3.3). Neighbours: api_front has the routes, json_text writes
// the answers.
#pragma once

#include <caf/actor.hpp>
#include <caf/event_based_actor.hpp>

#include <string>

#include "api/http_messages.hpp"
#include "api/mounts_question.hpp"

namespace nydus {

/// Threads: the actor `front` alone, which asks for it. Each member answers `to`, some time later: 404 unless
/// the query's `id` names one mount, or there is only one.
class metrics_endpoint {
public:
  /// `front` outlives this.
  metrics_endpoint(caf::event_based_actor& front, caf::actor supervisor)
      : front_(front), supervisor_(std::move(supervisor)) {}

  void show_file_system(const http_request& request, const responder& to);
  void show_backend(const http_request& request, const responder& to);
  void show_cache(const http_request& request, const responder& to);
  void show_files(const http_request& request, const responder& to);
  void show_pattern(const http_request& request, const responder& to);

private:
  using has_counters = bool (*)(const mount_record&);
  using files_text = std::string (*)(const file_counter_list&);

  template <class Use>
  void with_mount(const http_request& request, const responder& to, const char* kind, has_counters has,
                  Use use);
  void with_files(const http_request& request, const responder& to, const char* kind, bool is_latest,
                  files_text text);

  caf::event_based_actor& front_;
  caf::actor supervisor_;
};

} // namespace nydus
