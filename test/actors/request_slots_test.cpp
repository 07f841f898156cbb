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

} // namespace

TEST_CASE("a request is known by its slot until its answer comes") {
  request_slots slots;
  const auto first = slots.take(request_of(10));
  const auto second = slots.take(request_of(20));
  CHECK(first != second);
  CHECK(slots.unique_of(first) == 10);
  CHECK(slots.unique_of(second) == 20);
  CHECK(slots.taken() == 2);
  slots.release(first);
  CHECK(!slots.unique_of(first));
  CHECK(slots.taken() == 1);
}

TEST_CASE("a slot is used again and then stands for the new request alone") {
  request_slots slots;
  const auto first = slots.take(request_of(10));
  slots.release(first);
  CHECK(slots.take(request_of(30)) == first);
  CHECK(slots.unique_of(first) == 30);
  CHECK(!slots.interrupt(10));
}

TEST_CASE("an interrupted request is found once, and its slot stays taken until the late answer") {
  request_slots slots;
  const auto slot = slots.take(request_of(10));
  CHECK(!slots.interrupt(11));
  CHECK(slots.interrupt(10) == slot);
  CHECK(!slots.interrupt(10));
  CHECK(!slots.unique_of(slot));
  CHECK(slots.take(request_of(20)) != slot);
  slots.release(slot);
  CHECK(slots.take(request_of(30)) == slot);
}

TEST_CASE("the list of what is under way names requests that wait and no others") {
  request_slots slots;
  slots.take(request_of(10));
  slots.release(slots.take(request_of(20)));
  slots.take(request_of(30));
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
