// SPDX-License-Identifier: Apache-2.0
// What the API shows of the daemon's inside: actors, traces, requests in flight, and Prometheus's metrics.
// Gathers it from supervisor, census and ports. Neighbours: api_front has the routes; actors_text, trace_text
// and prometheus_text write the answers.
#pragma once

#include <caf/actor.hpp>
#include <caf/event_based_actor.hpp>

#include <functional>
#include <vector>

#include "api/http_messages.hpp"
#include "api/mounts_question.hpp"
#include "api/prometheus_text.hpp"
#include "api/trace_filter.hpp"

namespace nydus {

struct inspection_parts {
  caf::actor supervisor;
  std::vector<caf::actor> ports; // asked for requests in flight and slow ones
  caf::actor census;
  std::vector<const reactor*> reactors; // outlive the inspection
};

/// Threads: the actor `front` alone, which asks for it. Each member answers `to`, some time later.
class inspection {
public:
  /// `front` outlives this.
  inspection(caf::event_based_actor& front, inspection_parts parts)
      : front_(front), parts_(std::move(parts)) {}

  /// GET /api/v1/actors
  void show_actors(const responder& to);
  /// GET /metrics
  void show_prometheus(const responder& to);
  /// GET /api/v1/trace; 400 if the query is no filter.
  void show_trace(const http_request& request, const responder& to);
  /// GET /api/v1/metrics/inflight; 204 if there are none.
  void show_inflight(const responder& to);

private:
  template <class List, class Question>
  void gather(Question asked, std::function<void(const List&)> use);
  void with_running(const responder& to, std::function<void(const running_parts&)> use);

  caf::event_based_actor& front_;
  inspection_parts parts_;
  prometheus_text prometheus_;
};

} // namespace nydus
