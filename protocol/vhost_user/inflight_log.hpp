// SPDX-License-Identifier: Apache-2.0
// Which requests of a queue have no answer yet, kept in memory that the VMM holds: after a crash the next
// daemon serves them again (vhost-user specification, "Inflight I/O tracking"). Reads are safe to repeat.
// Neighbours: negotiation hears of it, actors/virtqueue_port writes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/result.hpp"
#include "protocol/unique_fd.hpp"
#include "protocol/vhost_user/message.hpp"

namespace nydus::vhost_user {

/// The memory of all queues of a device. Unmapped with the last one who holds it.
class inflight_memory {
public:
  /// Makes such memory; `described` then says its size. unavailable if the kernel refuses.
  static result<std::shared_ptr<inflight_memory>> make(inflight_description& described, unique_fd& file);
  /// Maps memory that a VMM brings. malformed: too small for its queues, or larger than its file.
  static result<std::shared_ptr<inflight_memory>> map(const inflight_description& described,
                                                      const unique_fd& file);
  ~inflight_memory();
  inflight_memory(const inflight_memory&) = delete;
  inflight_memory& operator=(const inflight_memory&) = delete;

  /// The bytes of one queue; null if the memory has no room for such a queue.
  std::byte* queue(std::uint32_t index, std::uint32_t queue_size) const noexcept;

private:
  inflight_memory() = default;
  void* mapping_ = nullptr;
  std::size_t mapping_size_ = 0;
  std::byte* begin_ = nullptr;
  inflight_description described_{};
};

/// One queue's log. What it reads at first may be anything: it comes from outside.
class inflight_log {
public:
  /// `start`: from inflight_memory::queue().
  inflight_log(std::shared_ptr<inflight_memory> memory, std::byte* start, std::uint32_t queue_size) noexcept
      : memory_(std::move(memory)), start_(start), queue_size_(queue_size) {}

  /// Heads without an answer, oldest first. `used_index`: of the used ring in the guest's memory. Begins the
  /// log if it is empty. `has_history`: another daemon wrote it before.
  std::vector<std::uint16_t> resume(std::uint16_t used_index, bool& has_history);

  void taken(std::uint16_t head) noexcept;
  /// Before the guest is shown its answer.
  void answering(std::uint16_t head) noexcept;
  /// After that.
  void answered(std::uint16_t head, std::uint16_t used_index) noexcept;

private:
  std::shared_ptr<inflight_memory> memory_;
  std::byte* start_;
  std::uint32_t queue_size_;
  std::uint64_t counter_ = 0;
};

} // namespace nydus::vhost_user
