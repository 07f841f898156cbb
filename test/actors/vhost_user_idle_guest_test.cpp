// SPDX-License-Identifier: Apache-2.0
// A guest that leaves its answers where they are: its other queues and the session go on, and it finds them
// all when it looks.
#include <doctest/doctest.h>

#include <linux/fuse.h>

#include "test/actors/vhost_user_rig.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("actors/vhost_user_session");

TEST_CASE("answers that a guest never takes hold up no other queue and are all there when it looks") {
  vhost_user_rig rig;
  auto options = small_guest();
  options.request_queues = 2;
  bool is_held = false;
  SUBCASE("answered at once") {
    is_held = false;
  }
  SUBCASE("answered late") {
    is_held = true;
  }
  fake::fake_guest guest{rig.socket(), options};
  guest.init();
  auto& idle = guest.requests(0);
  auto& busy = guest.requests(1);
  if (is_held)
    rig.hold();
  std::vector<fake::ticket> left;
  for (std::uint64_t place = 0; place < options.queue_size; ++place)
    left.push_back(submit_read(idle, place * 4096));
  if (is_held) {
    REQUIRE(rig.has_held(options.queue_size));
    rig.release();
  }
  for (std::uint64_t place = 0; place < 200; ++place) {
    const auto offset = place % 100 * 4096;
    const auto answer = busy.wait(submit_read(busy, offset));
    REQUIRE(answer.error == 0);
    REQUIRE(is_file_at(offset, answer.body));
  }
  CHECK(guest.forget(2, 1) == 0);
  for (std::uint64_t place = 0; place < left.size(); ++place) {
    const auto answer = idle.wait(left[place]);
    CHECK(answer.error == 0);
    CHECK(is_file_at(place * 4096, answer.body));
  }
}
