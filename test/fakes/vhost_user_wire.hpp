// SPDX-License-Identifier: Apache-2.0
// The messages of vhost-user as a VMM sends them (QEMU's docs/interop/vhost-user.rst), written down apart
// from the product's own description, so that a mistake in one does not hide in the other.
#pragma once

#include <linux/vhost_types.h>

#include <cstdint>

namespace nydus::fake {

/// What a front end may ask; the numbers are the specification's.
enum class ask : std::uint32_t {
  get_features = 1,
  set_features = 2,
  set_owner = 3,
  reset_owner = 4,
  set_mem_table = 5,
  set_log_base = 6,
  set_log_fd = 7,
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
  get_config = 24,
  get_inflight_fd = 31,
  set_inflight_fd = 32,
  reset_device = 34,
  get_max_mem_slots = 36,
  add_mem_reg = 37,
  rem_mem_reg = 38,
  set_status = 39,
  get_status = 40,
};

struct wire_header {
  std::uint32_t request;
  std::uint32_t flags; // bits 0 and 1: version 1; wire_reply; wire_need_reply
  std::uint32_t size;  // of the payload
};
constexpr std::uint32_t wire_version = 1;
constexpr std::uint32_t wire_reply = 4;
constexpr std::uint32_t wire_need_reply = 8;

struct wire_region {
  std::uint64_t guest_address, size, user_address, file_offset;
};
struct wire_memory_table { // SET_MEM_TABLE: `count` regions follow, one descriptor each
  std::uint32_t count, padding;
};
struct wire_memory_slot { // ADD_MEM_REG, REM_MEM_REG
  std::uint64_t padding;
  wire_region region;
};
struct wire_inflight {
  std::uint64_t size, offset;
  std::uint16_t queue_count, queue_size;
  std::uint32_t padding; // the compiler's in QEMU's struct too; a back end may send 20 or 24 bytes
};
static_assert(sizeof(wire_header) == 12 && sizeof(wire_region) == 32 && sizeof(wire_memory_slot) == 40);
static_assert(sizeof(vhost_vring_state) == 8 && sizeof(vhost_vring_addr) == 40);

// Virtio feature bits that matter here.
constexpr std::uint64_t feature_indirect = std::uint64_t{1} << 28;
constexpr std::uint64_t feature_event_idx = std::uint64_t{1} << 29;
constexpr std::uint64_t feature_protocol_features = std::uint64_t{1} << 30;
constexpr std::uint64_t feature_version_1 = std::uint64_t{1} << 32;

// Protocol feature bits.
constexpr std::uint64_t protocol_mq = 1 << 0;
constexpr std::uint64_t protocol_log_shmfd = 1 << 1;
constexpr std::uint64_t protocol_reply_ack = 1 << 3;
constexpr std::uint64_t protocol_backend_req = 1 << 5;
constexpr std::uint64_t protocol_config = 1 << 9;
constexpr std::uint64_t protocol_backend_send_fd = 1 << 10;
constexpr std::uint64_t protocol_host_notifier = 1 << 11;
constexpr std::uint64_t protocol_inflight_shmfd = 1 << 12;
constexpr std::uint64_t protocol_reset_device = 1 << 13;
constexpr std::uint64_t protocol_memory_slots = 1 << 15;
constexpr std::uint64_t protocol_status = 1 << 16;
/// What QEMU 7.2 acknowledges of that for vhost-user-fs.
constexpr std::uint64_t qemu_protocol_features =
    protocol_mq | protocol_log_shmfd | protocol_reply_ack | protocol_backend_req | protocol_backend_send_fd |
    protocol_host_notifier | protocol_inflight_shmfd | protocol_reset_device | protocol_memory_slots |
    protocol_status;

} // namespace nydus::fake
