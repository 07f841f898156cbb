// SPDX-License-Identifier: Apache-2.0
#include "test/fakes/driver_queue.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>

namespace nydus::fake {
namespace {

// Fields that both sides use at once. The rings are little-endian, as this machine is (x86-64, arm64).
template <class T>
T load(T& field, std::memory_order order = std::memory_order_acquire) {
  return std::atomic_ref<T>{field}.load(order);
}
template <class T>
void store(T& field, T value, std::memory_order order = std::memory_order_release) {
  std::atomic_ref<T>{field}.store(value, order);
}
void full_fence() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

unique_fd make_event() {
  unique_fd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!event)
    throw std::runtime_error("no eventfd for a queue");
  return event;
}

std::uint64_t take_count(int event) {
  std::uint64_t count = 0;
  return ::read(event, &count, sizeof count) == sizeof count ? count : 0;
}

} // namespace

driver_queue::driver_queue(guest_memory& memory, unsigned index, std::uint16_t size, queue_features features)
    : memory_(memory), index_(index), size_(size), features_(features),
      descriptors_at_(memory.allocate(size * sizeof(vring_desc))),
      // Each ring ends with the index at which the other side wants to be woken.
      available_at_(memory.allocate(sizeof(vring_avail) + (size + 1u) * sizeof(std::uint16_t))),
      used_at_(memory.allocate(sizeof(vring_used) + size * sizeof(vring_used_elem) + sizeof(std::uint16_t))),
      descriptors_(memory.as<vring_desc>(descriptors_at_, size)),
      available_(memory.as<vring_avail>(available_at_)), used_(memory.as<vring_used>(used_at_)),
      kick_wish_(memory.as<std::uint16_t>(used_at_ + sizeof(vring_used) + size * sizeof(vring_used_elem))),
      kick_(make_event()), call_(make_event()), error_(make_event()), chains_(size) {
  reset();
}

void driver_queue::reset() {
  free_.clear();
  for (std::uint16_t left = size_; left > 0; --left)
    free_.push_back(static_cast<std::uint16_t>(left - 1));
  for (auto& each : chains_)
    each.out = false;
  std::memset(available_, 0, sizeof(vring_avail) + (size_ + 1u) * sizeof(std::uint16_t));
  std::memset(used_, 0, sizeof(vring_used) + size_ * sizeof(vring_used_elem) + sizeof(std::uint16_t));
  if (!features_.event_idx)
    available_->flags = VRING_AVAIL_F_NO_INTERRUPT;
  outstanding_ = 0;
  next_available_ = last_kicked_ = last_used_ = 0;
}

vring_desc* driver_queue::table_of(chain& owner, std::size_t descriptor_count) {
  if (owner.table_capacity < descriptor_count) {
    owner.table = memory_.allocate(descriptor_count * sizeof(vring_desc), sizeof(vring_desc));
    owner.table_capacity = descriptor_count;
  }
  return memory_.as<vring_desc>(owner.table, descriptor_count);
}

bool driver_queue::add(std::span<const segment> readable, std::span<const segment> writable,
                       std::uint32_t token) {
  const std::size_t pieces = readable.size() + writable.size();
  const bool indirect = features_.indirect && pieces > 1;
  if (pieces == 0 || free_.size() < (indirect ? 1 : pieces))
    return false;
  const std::uint16_t head = free_.back();
  chain& mine = chains_[head];
  mine.descriptors.clear();
  for (std::size_t i = 0; i < (indirect ? 1 : pieces); ++i) {
    mine.descriptors.push_back(free_.back());
    free_.pop_back();
  }
  vring_desc* const table = indirect ? table_of(mine, pieces) : descriptors_;
  for (std::size_t i = 0; i < pieces; ++i) {
    const bool device_writes = i >= readable.size();
    const segment& piece = device_writes ? writable[i - readable.size()] : readable[i];
    auto number = [&](std::size_t which) {
      return indirect ? static_cast<std::uint16_t>(which) : mine.descriptors[which];
    };
    const bool last = i + 1 == pieces;
    const int flags = (device_writes ? VRING_DESC_F_WRITE : 0) | (last ? 0 : VRING_DESC_F_NEXT);
    table[number(i)] = {.addr = piece.address,
                        .len = piece.size,
                        .flags = static_cast<std::uint16_t>(flags),
                        .next = last ? std::uint16_t{0} : number(i + 1)};
  }
  if (indirect)
    descriptors_[head] = {.addr = mine.table,
                          .len = static_cast<std::uint32_t>(pieces * sizeof(vring_desc)),
                          .flags = VRING_DESC_F_INDIRECT,
                          .next = 0};
  mine.out = true;
  mine.token = token;
  ++outstanding_;
  available_->ring[next_available_ % size_] = head;
  store(available_->idx, ++next_available_);
  return true;
}

bool driver_queue::kick() {
  full_fence(); // our index is out before the device's wish is read
  bool wanted = false;
  if (features_.event_idx) {
    wanted = vring_need_event(load(*kick_wish_), next_available_, last_kicked_) != 0;
  } else {
    wanted = (load(used_->flags) & VRING_USED_F_NO_NOTIFY) == 0;
  }
  last_kicked_ = next_available_;
  if (wanted)
    kick_anyway();
  return wanted;
}

void driver_queue::kick_anyway() {
  const std::uint64_t one = 1;
  (void) !::write(kick_.get(), &one, sizeof one);
}

std::optional<used_chain> driver_queue::pop_used() {
  const std::uint16_t ready = static_cast<std::uint16_t>(load(used_->idx) - last_used_);
  if (ready == 0)
    return std::nullopt;
  if (ready > outstanding_)
    throw peer_error("queue " + std::to_string(index_) + ": " + std::to_string(ready) +
                     " answers, though the device owes " + std::to_string(outstanding_));
  const vring_used_elem element = used_->ring[last_used_ % size_];
  if (element.id >= size_ || !chains_[element.id].out)
    throw peer_error("queue " + std::to_string(index_) + ": an answer for head " +
                     std::to_string(element.id) + ", which is not out");
  chain& mine = chains_[element.id];
  mine.out = false;
  free_.insert(free_.end(), mine.descriptors.rbegin(), mine.descriptors.rend());
  ++last_used_;
  --outstanding_;
  return used_chain{mine.token, element.len};
}

bool driver_queue::wait_for_used(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    if (features_.event_idx)
      store(available_->ring[size_], last_used_);
    else
      store(available_->flags, std::uint16_t{0});
    full_fence(); // the wish is out before the index is read for the last time
    bool ready = load(used_->idx) != last_used_;
    if (!ready) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      pollfd call{.fd = call_.get(), .events = POLLIN, .revents = 0};
      if (left.count() < 0 || ::poll(&call, 1, static_cast<int>(left.count())) <= 0)
        return false;
      take_count(call_.get());
      ready = load(used_->idx) != last_used_;
    }
    if (!features_.event_idx)
      store(available_->flags, std::uint16_t{VRING_AVAIL_F_NO_INTERRUPT});
    if (ready)
      return true;
  }
}

std::uint16_t driver_queue::used_index() const noexcept {
  return load(used_->idx);
}
bool driver_queue::take_error() noexcept {
  return take_count(error_.get()) > 0;
}
std::uint64_t driver_queue::take_calls() noexcept {
  return take_count(call_.get());
}
void driver_queue::set_available_index(std::uint16_t index) noexcept {
  store(available_->idx, index);
}
void driver_queue::scribble_used(std::uint16_t flags, std::uint16_t index) noexcept {
  store(used_->flags, flags);
  store(used_->idx, index);
}

} // namespace nydus::fake
