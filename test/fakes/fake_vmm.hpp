// SPDX-License-Identifier: Apache-2.0
// The VMM's side of one vhost-user connection: the conversation of QEMU 7.2 with a vhost-user-fs back end,
// step by step or as a whole, and any bytes at all for tests that want to break it.
// Neighbours: vhost_user_wire.hpp has the messages; driver_queue.hpp and guest_memory.hpp what they speak of.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "test/fakes/driver_queue.hpp"
#include "test/fakes/vhost_user_wire.hpp"

namespace nydus::fake {

struct vmm_options {
  /// What the VMM would acknowledge, if it is offered. Without feature_protocol_features, rings start
  /// enabled.
  std::uint64_t features =
      feature_version_1 | feature_protocol_features | feature_event_idx | feature_indirect;
  std::uint64_t protocol_features = qemu_protocol_features;
  /// ADD_MEM_REG where the back end offers slots; false: always SET_MEM_TABLE.
  bool memory_slots = true;
  /// One more question after the start, so that no kick comes before the back end has enabled its queues:
  /// some lose such a kick. QEMU does not ask.
  bool waits_for_start = false;
  /// How long an answer may take before peer_error is thrown.
  std::chrono::milliseconds patience{10000};
};

/// One message of the back end.
struct wire_answer {
  wire_header header{};
  std::vector<std::byte> payload;
  std::vector<unique_fd> descriptors;
};

/// The memory in which a back end keeps book of what it has taken: GET_INFLIGHT_FD's answer.
struct inflight_area {
  unique_fd file;
  wire_inflight shape{};
};

/// A queue in the order of their indices; a null pointer is left out.
using queue_list = std::span<driver_queue* const>;

/// Thread: one. The connection ends with the object, or earlier by hang_up().
class fake_vmm {
public:
  /// Connects; says nothing yet. Tries for as long as `options.patience`, since a daemon may still be
  /// starting.
  explicit fake_vmm(const std::string& socket_path, vmm_options options = {});

  // -- the conversation in QEMU's steps ---

  /// From the first GET_FEATURES to SET_VRING_CALL and SET_VRING_ERR of each queue: before the guest runs.
  void introduce(queue_list queues);
  /// What QEMU does when the guest's driver says DRIVER_OK. `bases` are the queues' next available indices;
  /// empty: all zero, a fresh guest.
  void start(const guest_memory& memory, queue_list queues, std::span<const std::uint16_t> bases = {});
  /// What it does when the driver goes: the queues' next available indices, as the back end says.
  std::vector<std::uint16_t> stop(queue_list queues);

  // -- parts of it ---

  /// The whole table, or with memory slots what has changed since the back end was last told.
  void set_memory(const guest_memory& memory);
  void add_region(const memory_region& region);
  void remove_region(const wire_region& region);
  void start_queue(const guest_memory& memory, const driver_queue& queue, std::uint16_t base);
  /// SET_VRING_CALL and SET_VRING_ERR.
  void set_events(const driver_queue& queue);
  void enable_queue(unsigned index, bool enabled);
  /// GET_VRING_BASE: stops that queue.
  std::uint16_t stop_queue(unsigned index);
  void reset_device();
  inflight_area get_inflight(std::uint16_t queue_count, std::uint16_t queue_size);
  void set_inflight(const inflight_area& area);

  /// Features that both sides have; after introduce().
  std::uint64_t features() const noexcept { return features_; }
  std::uint64_t protocol_features() const noexcept { return protocol_features_; }
  /// hiprio and request queues that the back end has; after introduce().
  std::uint64_t queue_count() const noexcept { return queue_count_; }

  // -- any bytes ---

  int socket() const noexcept { return socket_.get(); }
  /// Sends one message; descriptors are duplicated by the kernel. False if the other side has hung up.
  bool send(ask request, std::span<const std::byte> payload, std::span<const int> descriptors = {},
            std::uint32_t flags = wire_version);
  /// Sends bytes that need not be a message.
  bool send_bytes(std::span<const std::byte> bytes, std::span<const int> descriptors = {});
  /// The next message; nothing if the other side hung up. Throws peer_error if neither comes in time.
  std::optional<wire_answer> receive();
  /// Sends and takes the answer, whose payload must be a u64.
  std::uint64_t ask_number(ask request, std::span<const std::byte> payload = {},
                           std::span<const int> descriptors = {}, std::uint32_t flags = wire_version);
  /// True if the other side hangs up within `patience`; anything it still says is read and dropped.
  bool hung_up();
  void hang_up() noexcept { socket_.reset(); }

private:
  /// Sends, and with REPLY_ACK waits for the back end to agree.
  void tell(ask request, std::span<const std::byte> payload, std::span<const int> descriptors = {},
            bool need_reply = false);
  wire_answer expect(ask request);
  void say_event(ask request, unsigned index, int descriptor);

  vmm_options options_;
  unique_fd socket_;
  unique_fd back_end_requests_;    // our end of what SET_BACKEND_REQ_FD passed
  std::vector<wire_region> slots_; // that the back end has
  std::uint64_t features_ = 0;
  std::uint64_t protocol_features_ = 0;
  std::uint64_t queue_count_ = 0;
};

/// The bytes of a wire struct.
template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span{&value, 1});
}

} // namespace nydus::fake
