// SPDX-License-Identifier: Apache-2.0
// fake_vmm's socket: bytes and descriptors in and out. The conversation is in fake_vmm.cpp.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

#include "test/fakes/fake_vmm.hpp"

namespace nydus::fake {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t most_descriptors = 64; // more than vhost-user allows, for tests that send too many
constexpr std::size_t most_payload = 1 << 20;

unique_fd try_connect(const std::string& path) {
  unique_fd end{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path)
    throw std::runtime_error("socket path too long: " + path);
  std::memcpy(name.sun_path, path.data(), path.size());
  if (::connect(end.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0)
    return {};
  return end;
}

} // namespace

fake_vmm::fake_vmm(const std::string& socket_path, vmm_options options) : options_(options) {
  const auto deadline = clock::now() + options_.patience;
  while (!(socket_ = try_connect(socket_path))) {
    if (clock::now() > deadline)
      throw peer_error("nobody answers at " + socket_path + ": " + std::strerror(errno));
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
}

bool fake_vmm::send(ask request, std::span<const std::byte> payload, std::span<const int> descriptors,
                    std::uint32_t flags) {
  const wire_header header{static_cast<std::uint32_t>(request), flags,
                           static_cast<std::uint32_t>(payload.size())};
  std::vector<std::byte> message(bytes_of(header).begin(), bytes_of(header).end());
  message.insert(message.end(), payload.begin(), payload.end());
  return send_bytes(message, descriptors);
}

bool fake_vmm::send_bytes(std::span<const std::byte> bytes, std::span<const int> descriptors) {
  iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char room[CMSG_SPACE(most_descriptors * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = room;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
  }
  // A unix stream takes a message of this size at once or not at all.
  return ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

std::optional<wire_answer> fake_vmm::receive() {
  const auto deadline = clock::now() + options_.patience;
  wire_answer answer;
  // Fills `place`; false at the end of the stream. Descriptors come with the first byte of a message.
  auto fill = [&](std::span<std::byte> place) {
    while (!place.empty()) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock::now());
      pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
      if (left.count() < 0 || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0)
        throw peer_error("the back end says nothing");
      iovec piece{place.data(), place.size()};
      alignas(cmsghdr) char room[CMSG_SPACE(most_descriptors * sizeof(int))];
      msghdr message{};
      message.msg_iov = &piece;
      message.msg_iovlen = 1;
      message.msg_control = room;
      message.msg_controllen = sizeof room;
      const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
      if (got <= 0)
        return false;
      for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
          continue;
        for (std::size_t at = 0; at + sizeof(int) <= part->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
          int descriptor = -1;
          std::memcpy(&descriptor, CMSG_DATA(part) + at, sizeof descriptor);
          answer.descriptors.emplace_back(descriptor);
        }
      }
      place = place.subspan(static_cast<std::size_t>(got));
    }
    return true;
  };
  if (!fill(std::as_writable_bytes(std::span{&answer.header, 1})))
    return std::nullopt;
  if (answer.header.size > most_payload)
    throw peer_error("an answer of " + std::to_string(answer.header.size) + " bytes");
  answer.payload.resize(answer.header.size);
  if (!fill(answer.payload))
    return std::nullopt;
  return answer;
}

bool fake_vmm::hung_up() {
  try {
    while (receive()) {
    }
    return true;
  } catch (const peer_error&) {
    return false;
  }
}

} // namespace nydus::fake
