// SPDX-License-Identifier: Apache-2.0
#include "protocol/vhost_user/connection.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <string>

#include "test/fakes/scratch_folder.hpp"

using namespace nydus;
using namespace nydus::vhost_user;

TEST_SUITE_BEGIN("protocol/vhost_user/connection");

namespace {

struct pair_of_sockets {
  pair_of_sockets() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    ours = connection{unique_fd{ends[0]}};
    vmm = unique_fd{ends[1]};
  }

  void send(std::span<const std::byte> bytes, std::span<const int> descriptors = {}) const {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    std::vector<std::byte> control(CMSG_SPACE(descriptors.size_bytes()));
    msghdr sent{};
    sent.msg_iov = &part;
    sent.msg_iovlen = 1;
    if (!descriptors.empty()) {
      sent.msg_control = control.data();
      sent.msg_controllen = control.size();
      auto* first = CMSG_FIRSTHDR(&sent);
      first->cmsg_level = SOL_SOCKET;
      first->cmsg_type = SCM_RIGHTS;
      first->cmsg_len = CMSG_LEN(descriptors.size_bytes());
      std::memcpy(CMSG_DATA(first), descriptors.data(), descriptors.size_bytes());
    }
    REQUIRE(::sendmsg(vmm.get(), &sent, 0) == static_cast<ssize_t>(bytes.size()));
  }

  connection ours{unique_fd{}};
  unique_fd vmm;
};

std::vector<std::byte> bytes_of(std::uint32_t id, std::uint32_t flags, std::uint32_t size,
                                std::size_t real_size) {
  const message_header header{id, flags, size};
  std::vector<std::byte> bytes(sizeof header + real_size);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

} // namespace

TEST_CASE_FIXTURE(pair_of_sockets, "a message is put together out of pieces") {
  const auto bytes = bytes_of(2, 1, 8, 8);
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    send(std::span{bytes}.subspan(i, 1));
    const auto received = ours.receive();
    REQUIRE(received);
    CHECK(!*received);
  }
  send(std::span{bytes}.last(1));
  const auto received = ours.receive();
  REQUIRE(received);
  REQUIRE(*received);
  CHECK((*received)->id == request::set_features);
  CHECK((*received)->payload.size() == 8);
  CHECK(!(*received)->needs_reply);
}

TEST_CASE_FIXTURE(pair_of_sockets, "two messages that come at once stay two, each with its descriptors") {
  const unique_fd event{::eventfd(0, EFD_CLOEXEC)};
  const std::array<int, 1> descriptors{event.get()};
  send(bytes_of(12, 1, 8, 8), descriptors);
  send(bytes_of(3, 9, 0, 0));
  const auto first = ours.receive();
  REQUIRE(first);
  REQUIRE(*first);
  CHECK((*first)->descriptors.size() == 1);
  CHECK((*first)->descriptors[0].get() != event.get());
  const auto second = ours.receive();
  REQUIRE(second);
  REQUIRE(*second);
  CHECK((*second)->id == request::set_owner);
  CHECK((*second)->needs_reply);
  CHECK((*second)->descriptors.empty());
}

TEST_CASE_FIXTURE(pair_of_sockets, "a header that is none is malformed before its payload comes") {
  std::vector<std::byte> bytes;
  SUBCASE("another version") {
    bytes = bytes_of(1, 2, 0, 0);
  }
  SUBCASE("no version") {
    bytes = bytes_of(1, 0, 0, 0);
  }
  SUBCASE("a reply") {
    bytes = bytes_of(1, 5, 0, 0);
  }
  SUBCASE("a flag nobody knows") {
    bytes = bytes_of(1, 17, 0, 0);
  }
  SUBCASE("a payload beyond bounds") {
    bytes = bytes_of(1, 1, 4097, 0);
  }
  send(bytes);
  const auto received = ours.receive();
  REQUIRE(!received);
  CHECK(received.error().code == errc::malformed);
}

TEST_CASE_FIXTURE(pair_of_sockets, "a VMM that hangs up is told from one that is silent") {
  CHECK(ours.receive());
  send(bytes_of(2, 1, 8, 3));
  CHECK(ours.receive());
  vmm.reset();
  const auto received = ours.receive();
  REQUIRE(!received);
  CHECK(received.error().code == errc::abandoned);
}

TEST_CASE_FIXTURE(pair_of_sockets, "more descriptors than a message may have are malformed, and closed") {
  const unique_fd event{::eventfd(0, EFD_CLOEXEC)};
  const std::vector<int> descriptors(33, event.get());
  send(bytes_of(12, 1, 8, 8), descriptors);
  CHECK(!ours.receive());
}

TEST_CASE_FIXTURE(pair_of_sockets, "an answer echoes the id, with its payload and descriptor") {
  const unique_fd event{::eventfd(0, EFD_CLOEXEC)};
  const std::uint64_t payload = 0x170000000;
  REQUIRE(ours.reply(request::get_inflight_fd, std::as_bytes(std::span{&payload, 1}), event.get()));
  std::array<std::byte, 64> bytes;
  std::array<std::byte, 64> control;
  iovec place{bytes.data(), bytes.size()};
  msghdr received{};
  received.msg_iov = &place;
  received.msg_iovlen = 1;
  received.msg_control = control.data();
  received.msg_controllen = control.size();
  REQUIRE(::recvmsg(vmm.get(), &received, MSG_CMSG_CLOEXEC) == sizeof(message_header) + 8);
  message_header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  CHECK(header.request == 31);
  CHECK(header.flags == 5);
  CHECK(header.size == 8);
  CHECK(std::memcmp(bytes.data() + sizeof header, &payload, sizeof payload) == 0);
  auto* first = CMSG_FIRSTHDR(&received);
  REQUIRE(first != nullptr);
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(first), sizeof descriptor);
  const unique_fd owned{descriptor};
  CHECK(owned);
}

TEST_CASE_FIXTURE(pair_of_sockets, "a VMM that asks and never reads ends, and holds nobody up") {
  const std::uint64_t payload = 0;
  result<void> outcome;
  for (int i = 0; i < 100000 && outcome; ++i)
    outcome = ours.reply(request::get_features, std::as_bytes(std::span{&payload, 1}));
  CHECK(!outcome);
}
