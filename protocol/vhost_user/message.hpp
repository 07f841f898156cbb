// SPDX-License-Identifier: Apache-2.0
// Messages of the vhost-user protocol (QEMU's docs/interop/vhost-user.rst; transport.md 1.1 and 1.2) as they
// lie on the socket, and their syntax. What they mean is negotiation's business, how they come connection's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "protocol/result.hpp"
#include "protocol/unique_fd.hpp"
#include "protocol/virtio/guest_memory.hpp"

namespace nydus::vhost_user {

/// What a VMM may ask. Others end the session.
enum class request : std::uint32_t {
  get_features = 1,
  set_features = 2,
  set_owner = 3,
  reset_owner = 4,
  set_mem_table = 5,
  set_vring_num = 8,
  set_vring_addr = 9,
  set_vring_base = 10,
  get_vring_base = 11,
  set_vring_kick = 12,
  set_vring_call = 13,
  set_vring_err = 14,
  get_protocol_features = 15,
  set_protocol_features = 16,
  get_queue_num = 17,
  set_vring_enable = 18,
  set_backend_req_fd = 21,
  get_inflight_fd = 31,
  set_inflight_fd = 32,
  reset_device = 34,
  get_max_mem_slots = 36,
  add_mem_reg = 37,
  rem_mem_reg = 38,
};

/// "SET_FEATURES"; "unknown" for what is not listed above.
const char* name_of(request id) noexcept;

/// Starts each message, in both directions. Host byte order: VMM and daemon share a CPU.
struct message_header {
  std::uint32_t request; // vhost_user::request, unchecked
  std::uint32_t flags;   // message_flag bits
  std::uint32_t size;    // bytes of payload that follow, at most largest_payload
};
static_assert(sizeof(message_header) == 12);

namespace message_flag {
constexpr std::uint32_t version_mask = 3;
constexpr std::uint32_t version = 1;
constexpr std::uint32_t is_reply = 4;
constexpr std::uint32_t needs_reply = 8; // only if protocol_feature::reply_ack is agreed on
} // namespace message_flag

constexpr std::uint32_t largest_payload = 4096;
constexpr std::size_t most_descriptors = 32; // that come with one message

/// One message of the VMM, whole.
struct message {
  request id{};
  bool needs_reply = false;
  std::vector<std::byte> payload;
  std::vector<unique_fd> descriptors;
};

/// Syntax only: version 1, no reply, no unknown flag, a size within bounds. malformed otherwise.
result<void> check(const message_header& header);

/// Bits of the protocol's features.
namespace protocol_feature {
constexpr std::uint64_t multiple_queues = std::uint64_t{1} << 0;
constexpr std::uint64_t reply_ack = std::uint64_t{1} << 3;
constexpr std::uint64_t backend_request = std::uint64_t{1} << 5;
constexpr std::uint64_t inflight_memory = std::uint64_t{1} << 12;
constexpr std::uint64_t reset_device = std::uint64_t{1} << 13;
constexpr std::uint64_t memory_slots = std::uint64_t{1} << 15;
} // namespace protocol_feature

/// The bit of the device's features that says that there are protocol features.
constexpr std::uint64_t has_protocol_features = std::uint64_t{1} << 30;

// -- payloads -----------------------------------------------------------------

struct vring_state {
  std::uint32_t index; // of the queue
  std::uint32_t value;
};
static_assert(sizeof(vring_state) == 8);

struct vring_address {
  std::uint32_t index;
  std::uint32_t flags;                        // bit 0: log writes to the used ring
  std::uint64_t descriptors, used, available; // user addresses
  std::uint64_t log;                          // guest address
};
static_assert(sizeof(vring_address) == 40);

/// KICK, CALL and ERR: which queue, and whether a descriptor comes with it.
namespace vring_descriptor {
constexpr std::uint64_t index_mask = 0xff;
constexpr std::uint64_t no_descriptor = 0x100;
} // namespace vring_descriptor

struct region_record {
  std::uint64_t guest_start, size, user_start, file_offset;
  virtio::memory_region described() const noexcept { return {guest_start, size, user_start, file_offset}; }
};
static_assert(sizeof(region_record) == 32);

struct memory_table_head {
  std::uint32_t count; // of region_records that follow, each with a descriptor
  std::uint32_t padding;
};
static_assert(sizeof(memory_table_head) == 8);
constexpr std::uint32_t most_table_regions = 8;

struct one_region {
  std::uint64_t padding;
  region_record region;
};
static_assert(sizeof(one_region) == 40);

struct inflight_description {
  std::uint64_t size;   // bytes of the shared memory
  std::uint64_t offset; // in its file
  std::uint16_t queue_count;
  std::uint16_t queue_size; // descriptors
  std::uint32_t padding;    // the structure's own; some VMMs leave it out
};
static_assert(sizeof(inflight_description) == 24);
/// Bytes of it that are sent at least.
constexpr std::size_t inflight_description_size = 20;

} // namespace nydus::vhost_user
