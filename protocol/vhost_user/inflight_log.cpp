// SPDX-License-Identifier: Apache-2.0
#include "protocol/vhost_user/inflight_log.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "protocol/bytes/mapping_guard.hpp"

namespace nydus::vhost_user {

namespace {

/// The specification's own records, host byte order.
struct queue_head {
  std::uint64_t features; // none are known
  std::uint16_t version;  // 0: nothing was written yet
  std::uint16_t descriptor_count;
  std::uint16_t last_batch_head;
  std::uint16_t used_index;
};
static_assert(sizeof(queue_head) == 16);
struct descriptor_state {
  std::uint8_t is_inflight;
  std::uint8_t padding[5];
  std::uint16_t next; // in the batch of answers
  std::uint64_t counter;
};
static_assert(sizeof(descriptor_state) == 16);

constexpr std::uint16_t present_version = 1;
constexpr std::size_t alignment = 64;
constexpr std::uint64_t largest_memory = std::uint64_t{1} << 30;

std::size_t bytes_of_queue(std::size_t queue_size) noexcept {
  const auto size = sizeof(queue_head) + queue_size * sizeof(descriptor_state);
  return (size + alignment - 1) / alignment * alignment;
}

template <class T>
T load(const std::byte* place) noexcept {
  T value;
  std::memcpy(&value, place, sizeof value);
  return value;
}

/// Stores one field, in program order with the others: a process that is killed leaves a prefix of its
/// stores.
template <class T>
void store(std::byte* place, T value) noexcept {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(place, &value, sizeof value);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

std::byte* state_of(std::byte* start, std::size_t head) noexcept {
  return start + sizeof(queue_head) + head * sizeof(descriptor_state);
}

} // namespace

// -- memory -------------------------------------------------------------------

result<std::shared_ptr<inflight_memory>> inflight_memory::make(inflight_description& described,
                                                               unique_fd& file) {
  described.size = described.queue_count * bytes_of_queue(described.queue_size);
  described.offset = 0;
  file = unique_fd{::memfd_create("nydusd-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(described.size)) != 0)
    return system_failure("make memory for requests in flight", errno);
  ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return map(described, file);
}

result<std::shared_ptr<inflight_memory>> inflight_memory::map(const inflight_description& described,
                                                              const unique_fd& file) {
  const auto needed = described.queue_count * bytes_of_queue(described.queue_size);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0)
    return system_failure("stat memory for requests in flight", errno);
  if (described.size < needed || described.size > largest_memory || described.offset > largest_memory ||
      described.offset % alignment != 0 ||
      described.offset + described.size > static_cast<std::uint64_t>(status.st_size))
    return failure{errc::malformed, "memory for requests in flight: " + std::to_string(described.size) +
                                        " bytes at " + std::to_string(described.offset) + " of a file of " +
                                        std::to_string(status.st_size) + " bytes, for " +
                                        std::to_string(described.queue_count) + " queues of " +
                                        std::to_string(described.queue_size)};
  const auto size = described.offset + described.size;
  auto* mapping = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (mapping == MAP_FAILED)
    return system_failure("map memory for requests in flight", errno);
  std::shared_ptr<inflight_memory> memory{new inflight_memory};
  memory->mapping_ = mapping;
  memory->mapping_size_ = size;
  memory->begin_ = static_cast<std::byte*>(mapping) + described.offset;
  memory->described_ = described;
  if (!guard_mapping(mapping, size))
    return failure{errc::unavailable, "memory for requests in flight: too many files are mapped"};
  return memory;
}

inflight_memory::~inflight_memory() {
  if (mapping_ == nullptr)
    return;
  unguard_mapping(mapping_);
  ::munmap(mapping_, mapping_size_);
}

std::byte* inflight_memory::queue(std::uint32_t index, std::uint32_t queue_size) const noexcept {
  if (index >= described_.queue_count || queue_size > described_.queue_size)
    return nullptr;
  return begin_ + index * bytes_of_queue(described_.queue_size);
}

// -- log ----------------------------------------------------------------------

std::vector<std::uint16_t> inflight_log::resume(std::uint16_t used_index, bool& has_history) {
  const auto head = load<queue_head>(start_);
  has_history = head.version == present_version && head.descriptor_count == queue_size_;
  std::vector<std::pair<std::uint64_t, std::uint16_t>> waiting; // counter, head
  if (has_history) {
    // The last batch was shown, but not crossed off yet. Ours has one answer, others' may have more.
    auto batch = static_cast<std::uint16_t>(used_index - head.used_index);
    auto answered = head.last_batch_head;
    for (; batch > 0 && batch <= queue_size_ && answered < queue_size_; --batch) {
      auto* state = state_of(start_, answered);
      store(state, std::uint8_t{0});
      answered = load<descriptor_state>(state).next;
    }
    for (std::uint32_t i = 0; i < queue_size_; ++i) {
      const auto state = load<descriptor_state>(state_of(start_, i));
      if (state.is_inflight != 0)
        waiting.emplace_back(state.counter, static_cast<std::uint16_t>(i));
      counter_ = std::max(counter_, state.counter);
    }
    std::sort(waiting.begin(), waiting.end());
  } else {
    std::memset(start_, 0, bytes_of_queue(queue_size_));
  }
  store(start_ + offsetof(queue_head, used_index), used_index);
  store(start_ + offsetof(queue_head, descriptor_count), static_cast<std::uint16_t>(queue_size_));
  store(start_ + offsetof(queue_head, version), present_version);
  std::vector<std::uint16_t> heads;
  for (const auto& [counter, number] : waiting)
    heads.push_back(number);
  return heads;
}

void inflight_log::taken(std::uint16_t head) noexcept {
  auto* state = state_of(start_, head);
  store(state + offsetof(descriptor_state, counter), ++counter_);
  store(state, std::uint8_t{1});
}

void inflight_log::answering(std::uint16_t head) noexcept {
  // A batch of one: the answers before it are crossed off already.
  store(start_ + offsetof(queue_head, last_batch_head), head);
}

void inflight_log::answered(std::uint16_t head, std::uint16_t used_index) noexcept {
  store(state_of(start_, head), std::uint8_t{0});
  store(start_ + offsetof(queue_head, used_index), used_index);
}

} // namespace nydus::vhost_user
