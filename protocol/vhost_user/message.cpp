// SPDX-License-Identifier: Apache-2.0
#include "protocol/vhost_user/message.hpp"

#include <string>

namespace nydus::vhost_user {

const char* name_of(request id) noexcept {
  switch (id) {
  case request::get_features:
    return "GET_FEATURES";
  case request::set_features:
    return "SET_FEATURES";
  case request::set_owner:
    return "SET_OWNER";
  case request::reset_owner:
    return "RESET_OWNER";
  case request::set_mem_table:
    return "SET_MEM_TABLE";
  case request::set_vring_num:
    return "SET_VRING_NUM";
  case request::set_vring_addr:
    return "SET_VRING_ADDR";
  case request::set_vring_base:
    return "SET_VRING_BASE";
  case request::get_vring_base:
    return "GET_VRING_BASE";
  case request::set_vring_kick:
    return "SET_VRING_KICK";
  case request::set_vring_call:
    return "SET_VRING_CALL";
  case request::set_vring_err:
    return "SET_VRING_ERR";
  case request::get_protocol_features:
    return "GET_PROTOCOL_FEATURES";
  case request::set_protocol_features:
    return "SET_PROTOCOL_FEATURES";
  case request::get_queue_num:
    return "GET_QUEUE_NUM";
  case request::set_vring_enable:
    return "SET_VRING_ENABLE";
  case request::set_backend_req_fd:
    return "SET_BACKEND_REQ_FD";
  case request::get_inflight_fd:
    return "GET_INFLIGHT_FD";
  case request::set_inflight_fd:
    return "SET_INFLIGHT_FD";
  case request::reset_device:
    return "RESET_DEVICE";
  case request::get_max_mem_slots:
    return "GET_MAX_MEM_SLOTS";
  case request::add_mem_reg:
    return "ADD_MEM_REG";
  case request::rem_mem_reg:
    return "REM_MEM_REG";
  }
  return "unknown";
}

result<void> check(const message_header& header) {
  const auto said = [&](const std::string& what) {
    return failure{errc::malformed, "vhost-user message " + std::to_string(header.request) + ": " + what};
  };
  if ((header.flags & message_flag::version_mask) != message_flag::version)
    return said("version " + std::to_string(header.flags & message_flag::version_mask) +
                ", 1 is spoken here");
  if ((header.flags & message_flag::is_reply) != 0)
    return said("a reply, where nothing was asked");
  if ((header.flags & ~(message_flag::version_mask | message_flag::needs_reply)) != 0)
    return said("unknown flags " + std::to_string(header.flags));
  if (header.size > largest_payload)
    return said("payload of " + std::to_string(header.size) + " bytes, " + std::to_string(largest_payload) +
                " are allowed");
  return {};
}

} // namespace nydus::vhost_user
