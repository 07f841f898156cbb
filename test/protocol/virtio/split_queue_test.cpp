// SPDX-License-Identifier: Apache-2.0
#include "protocol/virtio/split_queue.hpp"

#include <doctest/doctest.h>

#include <string>

#include "test/fakes/shared_memory.hpp"

using namespace nydus;
using namespace nydus::virtio;

TEST_SUITE_BEGIN("protocol/virtio/split_queue");

namespace {

constexpr std::uint64_t available_place = 0x2000, used_place = 0x3000;

/// A queue of 8 in memory of its own; the test is the driver.
struct queue_test {
  shared_memory memory{1 << 16};
  queue_place place{8, shared_memory::user(0x1000), shared_memory::user(available_place),
                    shared_memory::user(used_place)};

  split_queue attach(std::uint64_t features = 0, std::uint16_t next = 0) {
    auto queue = split_queue::attach(*memory.map(), place, features, next);
    REQUIRE(queue);
    return *queue;
  }
  void offer(std::uint16_t index, std::uint16_t head) const {
    memory.put(available_place + available_ring::heads_offset + 2u * (index % 8), head);
    memory.put(available_place + available_ring::index_offset, static_cast<std::uint16_t>(index + 1));
  }
  std::uint16_t used_index() const { return memory.get<std::uint16_t>(used_place + used_ring::index_offset); }
  void wish(std::uint16_t used_event) const {
    memory.put(available_place + available_ring::used_event_offset(8), used_event);
  }
  void check_refused(const std::string& part) {
    const auto queue = split_queue::attach(*memory.map(), place, 0, 0);
    REQUIRE(!queue);
    CHECK(queue.error().code == errc::malformed);
    CHECK_MESSAGE(queue.error().detail.find(part) != std::string::npos, queue.error().detail);
  }
};

} // namespace

TEST_CASE_FIXTURE(queue_test, "heads come in the order of the ring, across its end") {
  auto queue = attach(0, 65534);
  memory.put(available_place + available_ring::index_offset, std::uint16_t{65534});
  CHECK(*queue.waiting() == 0);
  offer(65534, 3);
  offer(65535, 7);
  offer(0, 1);
  CHECK(*queue.waiting() == 3);
  CHECK(*queue.take() == 3);
  CHECK(*queue.take() == 7);
  CHECK(*queue.take() == 1);
  CHECK(*queue.waiting() == 0);
  CHECK(queue.next_available() == 1);
}

TEST_CASE_FIXTURE(queue_test, "a queue goes on where its used ring stands") {
  memory.put(used_place + used_ring::index_offset, std::uint16_t{9});
  auto queue = attach(0, 11);
  CHECK(queue.next_used() == 9);
  queue.put(4, 100);
  CHECK(used_index() == 10);
  const auto element = memory.get<used_element>(used_place + used_ring::elements_offset + 8 * (9 % 8));
  CHECK(element.id == 4);
  CHECK(element.length == 100);
}

TEST_CASE_FIXTURE(queue_test, "answers are seen at once, and announced together") {
  auto queue = attach();
  CHECK(!queue.has_unannounced());
  queue.put(1, 10);
  CHECK(used_index() == 1);
  queue.put(2, 20);
  CHECK(used_index() == 2);
  CHECK(queue.has_unannounced());
  CHECK(queue.wants_call());
  CHECK(!queue.has_unannounced());
}

TEST_CASE_FIXTURE(queue_test, "more requests than the queue has room for are malformed") {
  const auto queue = attach();
  memory.put(available_place + available_ring::index_offset, std::uint16_t{9});
  REQUIRE(!queue.waiting());
  CHECK(queue.waiting().error().detail.find("9 requests in a queue of 8") != std::string::npos);
}

TEST_CASE_FIXTURE(queue_test, "a head that is no descriptor is malformed") {
  auto queue = attach();
  offer(0, 8);
  CHECK(!queue.take());
}

TEST_CASE_FIXTURE(queue_test, "without event indices, flags say whether to notify and to kick") {
  auto queue = attach();
  queue.put(0, 0);
  CHECK(queue.wants_call());
  memory.put(available_place, available_ring::no_interrupt);
  queue.put(0, 0);
  CHECK(!queue.wants_call());
  queue.suppress_kicks();
  CHECK(memory.get<std::uint16_t>(used_place) == used_ring::no_kick);
  CHECK(queue.want_kicks());
  CHECK(memory.get<std::uint16_t>(used_place) == 0);
}

TEST_CASE_FIXTURE(queue_test, "with event indices, a notification is due when the wished index is passed") {
  auto queue = attach(feature::event_index);
  wish(0);
  queue.put(0, 0);
  CHECK(queue.wants_call()); // 0 -> 1 passes 0
  queue.put(0, 0);
  CHECK(!queue.wants_call()); // 1 -> 2 does not
  wish(3);
  queue.put(0, 0);
  CHECK(!queue.wants_call()); // 2 -> 3
  queue.put(0, 0);
  queue.put(0, 0);
  CHECK(queue.wants_call()); // 3 -> 5 passes 3
  memory.put(available_place, available_ring::no_interrupt);
  wish(5);
  queue.put(0, 0);
  CHECK(queue.wants_call()); // the flag has no meaning then
}

TEST_CASE_FIXTURE(queue_test, "event indices wrap with the ring") {
  memory.put(used_place + used_ring::index_offset, std::uint16_t{65535});
  auto queue = attach(feature::event_index);
  wish(65535);
  queue.put(0, 0);
  CHECK(queue.wants_call()); // 65535 -> 0 passes 65535
  CHECK(used_index() == 0);
  queue.put(0, 0);
  CHECK(!queue.wants_call());
}

TEST_CASE_FIXTURE(
    queue_test, "with event indices, the next request is asked to be told of, and what came before is seen") {
  auto queue = attach(feature::event_index);
  const auto event = used_place + used_ring::available_event_offset(8);
  CHECK(queue.want_kicks());
  CHECK(memory.get<std::uint16_t>(event) == 0);
  offer(0, 1);
  CHECK(*queue.take() == 1);
  queue.suppress_kicks();
  CHECK(memory.get<std::uint16_t>(event) == 0); // passed already: no kick comes
  offer(1, 2);
  CHECK(!queue.want_kicks());
  CHECK(memory.get<std::uint16_t>(event) == 1);
}

TEST_CASE_FIXTURE(queue_test, "a queue that does not lie in memory is malformed") {
  SUBCASE("its size is no power of two") {
    place.size = 12;
    check_refused("power of two");
  }
  SUBCASE("it has no size") {
    place.size = 0;
    check_refused("power of two");
  }
  SUBCASE("its size is beyond its indices") {
    place.size = 65536;
    check_refused("power of two");
  }
  SUBCASE("its descriptors are no memory") {
    place.descriptors = user_address{0x1000};
    check_refused("table of descriptors");
  }
  SUBCASE("its available ring leaves the memory") {
    place.available = shared_memory::user((1 << 16) - 20);
    check_refused("available ring");
  }
  SUBCASE("its used ring leaves the memory") {
    place.used = shared_memory::user((1 << 16) - 4);
    check_refused("used ring");
  }
  SUBCASE("its descriptors are misaligned") {
    place.descriptors = shared_memory::user(0x1008);
    check_refused("not aligned");
  }
  SUBCASE("its available ring is misaligned") {
    place.available = shared_memory::user(0x2001);
    check_refused("not aligned");
  }
  SUBCASE("its used ring is misaligned") {
    place.used = shared_memory::user(0x3002);
    check_refused("not aligned");
  }
}

TEST_CASE_FIXTURE(queue_test, "a queue moves to another map of its memory, and stays if it is not there") {
  auto queue = attach();
  CHECK(!queue.move_to(guest_memory{}));
  CHECK(queue.move_to(*memory.map()));
  offer(0, 5);
  CHECK(*queue.take() == 5);
}
