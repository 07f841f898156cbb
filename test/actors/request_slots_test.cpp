// SPDX-License-Identifier: Apache-2.0
#include "actors/request_slots.hpp"

#include <doctest/doctest.h>

#include <ctime>

using namespace nydus;

TEST_SUITE_BEGIN("actors/request_slots");

namespace {

fuse::request request_of(std::uint64_t unique) {
  fuse::request asked;
  asked.opcode = FUSE_READ;
  asked.unique = unique;
  asked.nodeid = 5;
  return asked;
}

std::uint32_t begin(request_slots& slots, std::uint64_t unique) {
  return slots.begin(request_of(unique), nullptr, nydus::now_nanoseconds()).slot;
}

fs_reply reply_to(std::uint32_t slot) {
  fs_reply reply;
  reply.slot = slot;
  return reply;
}

} // namespace

TEST_CASE("a request is known by its slot until its answer comes") {
  request_slots slots;
  const auto first = begin(slots, 10);
  const auto second = begin(slots, 20);
  CHECK(first != second);
  CHECK(slots.unique_of(first) == 10);
  CHECK(slots.unique_of(second) == 20);
  CHECK(slots.taken() == 2);
  slots.end(reply_to(first));
  CHECK(!slots.unique_of(first));
  CHECK(slots.taken() == 1);
}

TEST_CASE("a slot is used again and then stands for the new request alone") {
  request_slots slots;
  const auto first = begin(slots, 10);
  slots.end(reply_to(first));
  CHECK(begin(slots, 30) == first);
  CHECK(slots.unique_of(first) == 30);
  CHECK(!slots.interrupt(10));
}

TEST_CASE("an interrupted request is found once, and its slot stays taken until the late answer") {
  request_slots slots;
  const auto slot = begin(slots, 10);
  CHECK(!slots.interrupt(11));
  CHECK(slots.interrupt(10) == slot);
  CHECK(!slots.interrupt(10));
  CHECK(!slots.unique_of(slot));
  CHECK(slots.taken() == 1);
  CHECK(slots.waiting() == 0);
  CHECK(begin(slots, 20) != slot);
  CHECK(slots.waiting() == 1);
  slots.end(reply_to(slot));
  CHECK(slots.waiting() == 1);
  CHECK(begin(slots, 30) == slot);
}

TEST_CASE("the list of what is under way names requests that wait and no others") {
  request_slots slots;
  begin(slots, 10);
  slots.end(reply_to(begin(slots, 20)));
  begin(slots, 30);
  CHECK(slots.interrupt(30));
  const auto before = static_cast<std::uint64_t>(std::time(nullptr));
  const auto listed = slots.inflight();
  REQUIRE(listed.requests.size() == 1);
  CHECK(listed.requests.front().unique == 10);
  CHECK(listed.requests.front().inode == 5);
  CHECK(listed.requests.front().opcode == FUSE_READ);
  CHECK(listed.requests.front().since_seconds <= before);
  CHECK(listed.requests.front().since_seconds > before - 3600);
}

TEST_CASE("a request carries its trace and its first time, and what was answered is traced") {
  request_slots slots;
  const auto request = slots.begin(request_of(10), nullptr, nydus::now_nanoseconds());
  CHECK(request.asked.unique == 10);
  CHECK(request.times.received != 0);
  CHECK(request.trace != trace_id{});
  auto reply = reply_to(request.slot);
  reply.error = 5;
  reply.times.mounted = request.times.received + 7;
  slots.end(reply);
  const auto slow = slots.slowest();
  REQUIRE(slow.size() == 1);
  CHECK(slow.front().trace == request.trace);
  CHECK(slow.front().outcome == 5);
  CHECK(slow.front().times.received == request.times.received);
  CHECK(slow.front().times.mounted == request.times.received + 7);
  CHECK(slow.front().ended >= request.times.received);
  CHECK(slow.front().opcode == FUSE_READ);
  CHECK(slow.front().subject == 5);
}
