// SPDX-License-Identifier: Apache-2.0
#include "actors/queue_ports.hpp"

#include <unistd.h>

#include <chrono>
#include <string>

#include "actors/fuse_port.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"

namespace nydus {

namespace {

// What a stopping queue's requests may take: the VMM stands still meanwhile.
constexpr std::chrono::seconds drain_patience{1};

/// Begins or continues the queue's log of unanswered requests, if the VMM keeps memory for it.
void restore_inflight(const std::shared_ptr<vhost_user::inflight_memory>& memory,
                      virtqueue_port_parts& parts) {
  if (!memory)
    return;
  const auto size = parts.queue.size();
  auto* start = memory->queue(parts.number, size);
  if (start == nullptr)
    return;
  parts.log.emplace(memory, start, size);
  bool has_history = false;
  parts.again = parts.log->resume(parts.queue.next_used(), has_history);
  if (!has_history)
    return;
  // What the VMM says of the next request may be older than what the daemon before us took.
  parts.queue.set_next_available(static_cast<std::uint16_t>(parts.queue.next_used() + parts.again.size()));
  if (!parts.again.empty())
    log_line(log_level::info, "virtqueue " + std::to_string(parts.number) + ": " +
                                  std::to_string(parts.again.size()) +
                                  " requests that were left unanswered are served again");
}

} // namespace

void queue_ports::keep_notifier(std::uint32_t queue, vhost_user::action::notifier kind,
                                shared_fd descriptor) {
  auto& own = notifiers_[queue];
  switch (kind) {
  case vhost_user::action::notifier::kick:
    own.kick = std::move(descriptor);
    break;
  case vhost_user::action::notifier::error:
    own.error = std::move(descriptor);
    break;
  case vhost_user::action::notifier::call:
    own.call = std::move(descriptor);
    if (const auto port = ports_.find(queue); port != ports_.end())
      session_.send(port->second, take_call{own.call});
    break;
  }
}

void queue_ports::start(const queue_start& wanted) {
  const auto number = wanted.number;
  const auto& own = notifiers_[number];
  auto queue = virtio::split_queue::attach(*wanted.memory, wanted.setup.place, wanted.features,
                                           wanted.setup.next_available);
  if (!queue) {
    log_line(log_level::error,
             "virtqueue " + std::to_string(number) + " cannot start: " + queue.error().detail);
    if (own.error) {
      const std::uint64_t one = 1;
      (void) !::write(own.error->get(), &one, sizeof one);
    }
    return;
  }
  virtqueue_port_parts parts{number,
                             std::move(*queue),
                             wanted.memory,
                             own.kick,
                             own.call,
                             own.error,
                             std::nullopt,
                             {},
                             agreed_,
                             {},
                             caf::actor_cast<caf::actor>(&session_)};
  restore_inflight(wanted.inflight, parts);
  // Queue 0 carries what is urgent and small; the others are spread over the CPUs.
  const auto& place = places_[number == 0 ? 0 : (number - 1) % places_.size()];
  parts.router = place.router;
  ports_[number] = spawn_virtqueue_port(session_.system(), *place.home, std::move(parts));
  introduce();
}

void queue_ports::introduce() {
  for (const auto& [number, port] : ports_) {
    know_siblings others;
    for (const auto& [other_number, other] : ports_)
      if (other_number != number)
        others.ports.push_back(other);
    session_.send(port, std::move(others));
  }
}

bool queue_ports::stop(std::uint32_t queue, std::function<void(std::optional<std::uint16_t>)> stopped) {
  const auto found = ports_.find(queue);
  if (found == ports_.end())
    return false; // it never started: its rings were wrong
  const auto port = found->second;
  ports_.erase(found);
  const auto session = &session_;
  const auto end_port = [session, port, stopped](const queue_stopped& at) {
    session->send_exit(port, caf::exit_reason::user_shutdown);
    stopped(at.next_available);
  };
  session->request(port, drain_patience, stop_queue{})
      .then(end_port, [session, port, end_port, stopped](const caf::error&) {
        log_line(log_level::warning, "the VMM stops a queue whose requests take long: they fail");
        session->request(port, caf::infinite, abandon_queue{}).then(end_port, [stopped](const caf::error&) {
          stopped(std::nullopt);
        });
      });
  return true;
}

void queue_ports::end() {
  for (const auto& [number, port] : ports_)
    session_.send_exit(port, caf::exit_reason::user_shutdown);
  ports_.clear();
}

} // namespace nydus
