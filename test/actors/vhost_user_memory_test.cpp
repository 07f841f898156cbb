// SPDX-License-Identifier: Apache-2.0
// A guest's memory that goes, shrinks or was never there, while its queues run.
#include "test/actors/vhost_user_rig.hpp"

using namespace nydus;
using fake::fake_guest;
using fake::segment;

TEST_SUITE_BEGIN("actors/vhost_user_memory");

namespace {

/// A READ of 4 KiB at offset 0 whose answer goes to `body`; where the header of the answer will be.
fake::guest_address submit_read_into(fake_guest& guest, fake::guest_address body) {
  const auto page = guest.memory().allocate(4096);
  auto* const bytes = guest.memory().at(page, 4096);
  fuse_in_header header{};
  const auto arguments = fake::read_arguments(0, 0, 4096);
  header.len = sizeof header + sizeof arguments;
  header.opcode = FUSE_READ;
  header.unique = 4711;
  header.nodeid = 2;
  std::memcpy(bytes, &header, sizeof header);
  std::memcpy(bytes + sizeof header, &arguments, sizeof arguments);
  const segment readable[] = {{page, header.len}};
  const segment writable[] = {{page + 2048, sizeof(fuse_out_header)}, {body, 4096}};
  REQUIRE(guest.requests().queue().add(readable, writable, 0));
  guest.requests().kick();
  return page + 2048;
}

int error_at(fake_guest& guest, fake::guest_address place) {
  fuse_out_header header{};
  std::memcpy(&header, guest.memory().at(place, sizeof header), sizeof header);
  CHECK(header.unique == 4711);
  return -header.error;
}

constexpr fake::guest_address added_at = std::uint64_t{1} << 32;

} // namespace

TEST_CASE("memory that is plugged in while queues run takes answers") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), small_guest()};
  guest.init();
  const auto& added = guest.memory().add_region(added_at, 1 << 20);
  guest.vmm().add_region(added);
  const auto answer = submit_read_into(guest, added_at + 8192);
  REQUIRE(guest.requests().queue().wait_for_used(std::chrono::seconds{10}));
  CHECK(guest.requests().queue().pop_used()->length == 4096 + sizeof(fuse_out_header));
  CHECK(error_at(guest, answer) == 0);
  CHECK(is_file_at(0, {guest.memory().at(added_at + 8192, 4096), 4096}));
}

TEST_CASE("a region that goes while a read into it is pending is unmapped after one answer") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), small_guest()};
  guest.init();
  const auto before = guest_mappings();
  const auto& added = guest.memory().add_region(added_at, 1 << 20);
  const fake::wire_region described{added.start(), added.size(), added.user_address(), added.file_offset()};
  guest.vmm().add_region(added);
  rig.hold();
  submit_read_into(guest, added_at);
  REQUIRE(rig.has_held(1));
  guest.vmm().remove_region(described);
  rig.release();
  REQUIRE(guest.requests().queue().wait_for_used(std::chrono::seconds{10}));
  CHECK(guest.requests().queue().pop_used());
  CHECK_FALSE(guest.requests().queue().pop_used());
  CHECK(guest.memory().guards_intact());
  guest.memory().remove_region(added_at);
  CHECK(guest.getattr(1).error == 0);
  CHECK(soon([&] { return guest_mappings() == before; }));
}

TEST_CASE("a request into memory that has gone breaks its queue alone") {
  vhost_user_rig rig;
  auto options = small_guest();
  options.request_queues = 2;
  fake_guest guest{rig.socket(), options};
  guest.init();
  submit_read_into(guest, added_at);
  CHECK(soon([&] { return guest.requests().queue().take_error(); }));
  auto& other = guest.requests(1);
  CHECK(is_file_at(8, other.wait(submit_read(other, 8)).body));
  CHECK(guest.vmm().ask_number(fake::ask::get_features) != 0);
}

TEST_CASE("a queue whose rings go is broken, and the session goes on") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), small_guest()};
  guest.init();
  const auto& high = guest.memory().regions()[1];
  guest.vmm().remove_region({high.start(), high.size(), high.user_address(), high.file_offset()});
  CHECK(soon([&] { return guest.requests().queue().take_error(); }));
  CHECK(guest.vmm().ask_number(fake::ask::get_features) != 0);
}

TEST_CASE("memory cut short by its VMM ends no daemon") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), small_guest()};
  guest.init();
  auto& added = guest.memory().add_region(added_at, 1 << 20);
  guest.vmm().add_region(added);
  added.truncate(4096);
  submit_read_into(guest, added_at + 65536); // no page is there any more
  REQUIRE(guest.requests().queue().wait_for_used(std::chrono::seconds{10}));
  CHECK(guest.requests().queue().pop_used());
  CHECK(is_file_at(3, guest.read(2, 0, 3, 4096).body));
}

TEST_SUITE_END();
