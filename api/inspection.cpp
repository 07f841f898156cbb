// SPDX-License-Identifier: Apache-2.0
#include "api/inspection.hpp"

#include <map>
#include <memory>
#include <string>

#include "actors/fs_request.hpp"
#include "actors/trace_ring.hpp"
#include "api/actors_text.hpp"
#include "api/json_text.hpp"
#include "api/trace_text.hpp"

namespace nydus {

namespace {

http_answer json(std::string body) {
  return {200, std::move(body)};
}

bool passes(const trace_filter& filter, const inflight_request& one) {
  return (!filter.mount || mount_of(one.inode) == *filter.mount) &&
         (!filter.opcode || one.opcode == *filter.opcode);
}

} // namespace

/// Asks every port for a List and hands `use` all their requests together. Ports that are gone have none.
template <class List, class Question>
void inspection::gather(Question asked, std::function<void(const List&)> use) {
  auto all = std::make_shared<List>();
  auto missing = std::make_shared<std::size_t>(parts_.ports.size());
  if (*missing == 0)
    return use(*all);
  const auto one_less = [=] {
    if (--*missing == 0)
      use(*all);
  };
  for (const auto& port : parts_.ports)
    front_.request(port, caf::infinite, asked)
        .then(
            [=](const List& some) {
              all->requests.insert(all->requests.end(), some.requests.begin(), some.requests.end());
              one_less();
            },
            [=](const caf::error&) { one_less(); });
}

/// All that runs now: asks supervisor and census.
void inspection::with_running(const responder& to, std::function<void(const running_parts&)> use) {
  const auto failed = [to](const caf::error& why) { to->answer(refusal(500, to_failure(why).detail)); };
  with_mounts(front_, parts_.supervisor, to, [=, this](const mount_list& mounts) {
    front_.request(parts_.supervisor, caf::infinite, list_backends{})
        .then(
            [=, this](const backend_list& backends) {
              front_.request(parts_.census, caf::infinite, list_actors{})
                  .then(
                      [=, this](const actor_list& actors) {
                        use({actors, parts_.reactors, backends, mounts, now_nanoseconds()});
                      },
                      failed);
            },
            failed);
  });
}

void inspection::show_actors(const responder& to) {
  with_running(to, [to](const running_parts& running) { to->answer(json(actors_text(running))); });
}

void inspection::show_prometheus(const responder& to) {
  with_running(to, [this, to](const running_parts& running) {
    gather<inflight_list>(list_inflight{}, [this, to, running](const inflight_list& in_flight) {
      to->answer({200, prometheus_.write(running, in_flight), prometheus_content_type});
    });
  });
}

void inspection::show_trace(const http_request& request, const responder& to) {
  with_mounts(front_, parts_.supervisor, to, [this, query = request.query, to](const mount_list& mounts) {
    const auto wanted = read_trace_filter(query, mounts);
    if (!wanted)
      return to->answer(refusal(400, wanted.error().detail));
    std::map<std::uint32_t, std::string> names;
    for (const auto& mount : mounts.mounts)
      names.emplace(mount->number, mount->mountpoint);
    gather<slow_request_list>(
        list_slowest{}, [this, to, filter = *wanted, names](const slow_request_list& slow) {
          gather<inflight_list>(list_inflight{}, [to, filter, names, slow](inflight_list under_way) {
            auto events = noted_events();
            events.insert(events.end(), slow.requests.begin(), slow.requests.end());
            std::erase_if(under_way.requests, [&](const auto& one) { return !passes(filter, one); });
            to->answer(json(trace_text(pick(filter, std::move(events)), under_way, names)));
          });
        });
  });
}

void inspection::show_inflight(const responder& to) {
  gather<inflight_list>(list_inflight{}, [to](const inflight_list& all) {
    to->answer(all.requests.empty() ? http_answer{204, {}} : json(inflight_text(all)));
  });
}

} // namespace nydus
