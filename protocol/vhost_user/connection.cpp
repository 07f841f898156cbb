// SPDX-License-Identifier: Apache-2.0
#include "protocol/vhost_user/connection.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace nydus::vhost_user {

namespace {

constexpr std::size_t header_size = sizeof(message_header);

message_header header_of(std::span<const std::byte> bytes) noexcept {
  message_header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header;
}

/// Takes the descriptors that came with a piece of a message.
void keep_descriptors(msghdr& received, std::vector<unique_fd>& kept) {
  for (auto* control = CMSG_FIRSTHDR(&received); control != nullptr;
       control = CMSG_NXTHDR(&received, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
      continue;
    const auto count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int descriptor;
      std::memcpy(&descriptor, CMSG_DATA(control) + i * sizeof descriptor, sizeof descriptor);
      kept.emplace_back(descriptor);
    }
  }
}

} // namespace

result<bool> connection::read_more(std::size_t wanted) {
  const auto have = bytes_.size();
  bytes_.resize(have + wanted);
  iovec place{bytes_.data() + have, wanted};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(most_descriptors * sizeof(int))> control;
  msghdr received{};
  received.msg_iov = &place;
  received.msg_iovlen = 1;
  received.msg_control = control.data();
  received.msg_controllen = control.size();
  ssize_t count;
  do
    count = ::recvmsg(socket_.get(), &received, MSG_CMSG_CLOEXEC);
  while (count < 0 && errno == EINTR);
  bytes_.resize(have + (count > 0 ? static_cast<std::size_t>(count) : 0));
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return false;
  if (count < 0 && errno != ECONNRESET)
    return system_failure("read the VMM's socket", errno);
  if (count <= 0)
    return failure{errc::abandoned, "the VMM has hung up"};
  keep_descriptors(received, descriptors_);
  if ((received.msg_flags & MSG_CTRUNC) != 0 || descriptors_.size() > most_descriptors)
    return failure{errc::malformed,
                   "vhost-user message with more than " + std::to_string(most_descriptors) + " descriptors"};
  return true;
}

result<std::optional<message>> connection::receive() {
  while (true) {
    std::size_t whole = header_size;
    if (bytes_.size() >= header_size) {
      const auto header = header_of(bytes_);
      if (auto checked = check(header); !checked)
        return checked.error();
      whole += header.size;
      if (bytes_.size() == whole) {
        message complete;
        complete.id = request{header.request};
        complete.needs_reply = (header.flags & message_flag::needs_reply) != 0;
        complete.payload.assign(bytes_.begin() + header_size, bytes_.end());
        complete.descriptors = std::move(descriptors_);
        descriptors_.clear();
        bytes_.clear();
        return std::optional{std::move(complete)};
      }
    }
    const auto has_come = read_more(whole - bytes_.size());
    if (!has_come)
      return has_come.error();
    if (!*has_come)
      return std::optional<message>{};
  }
}

result<void> connection::reply(request id, std::span<const std::byte> payload, int descriptor) {
  message_header header{static_cast<std::uint32_t>(id), message_flag::version | message_flag::is_reply,
                        static_cast<std::uint32_t>(payload.size())};
  std::array<iovec, 2> parts{
      {{&header, sizeof header}, {const_cast<std::byte*>(payload.data()), payload.size()}}};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof descriptor)> control{};
  msghdr sent{};
  sent.msg_iov = parts.data();
  sent.msg_iovlen = parts.size();
  if (descriptor >= 0) {
    sent.msg_control = control.data();
    sent.msg_controllen = control.size();
    auto* first = CMSG_FIRSTHDR(&sent);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(first), &descriptor, sizeof descriptor);
  }
  ssize_t count;
  do
    count = ::sendmsg(socket_.get(), &sent, MSG_NOSIGNAL);
  while (count < 0 && errno == EINTR);
  if (count < 0)
    return system_failure(std::string{"answer the VMM's "} + name_of(id), errno);
  if (static_cast<std::size_t>(count) != sizeof header + payload.size())
    return failure{errc::unavailable, std::string{"the VMM does not read the answer to its "} + name_of(id)};
  return {};
}

} // namespace nydus::vhost_user
