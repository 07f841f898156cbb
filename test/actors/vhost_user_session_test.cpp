// SPDX-License-Identifier: Apache-2.0
// Life and death of a VMM and its queues, seen from the VMM's side.
#include "test/actors/vhost_user_rig.hpp"

#include "test/fakes/scratch_folder.hpp"

using namespace nydus;
using fake::ask;
using fake::bytes_of;
using fake::fake_guest;

TEST_SUITE_BEGIN("actors/vhost_user_session");

TEST_CASE("the conversation recorded from QEMU 7.2 is answered message by message") {
  vhost_user_rig rig;
  fake::guest_memory memory{1 << 20};
  fake::driver_queue first{memory, 0, 256, {}}, second{memory, 1, 256, {}};
  fake::fake_vmm vmm{rig.socket()};
  auto number = [&](ask request, std::span<const std::byte> payload = {}, std::vector<int> descriptors = {},
                    std::uint32_t flags = 1) {
    REQUIRE(vmm.send(request, payload, descriptors, flags));
    const auto answer = vmm.receive();
    REQUIRE(answer);
    CHECK(answer->header.request == static_cast<std::uint32_t>(request));
    CHECK(answer->header.flags == 5);
    REQUIRE(answer->payload.size() == 8);
    std::uint64_t value = 0;
    std::memcpy(&value, answer->payload.data(), sizeof value);
    return value;
  };
  auto quiet = [&](ask request, std::span<const std::byte> payload = {}, std::vector<int> descriptors = {}) {
    REQUIRE(vmm.send(request, payload, descriptors));
  };
  auto state = [&](ask request, unsigned index, unsigned value) {
    quiet(request, bytes_of(vhost_vring_state{index, value}));
  };
  auto event = [&](ask request, std::uint64_t index, int descriptor) {
    quiet(request, bytes_of(index), {descriptor});
  };
  const auto features = number(ask::get_features);
  CHECK((features & 0x170000000) == 0x170000000);
  const auto protocol = number(ask::get_protocol_features) & 0x8c2b;
  CHECK((protocol & 0x8029) == 0x8029); // MQ, REPLY_ACK, BACKEND_REQ, CONFIGURE_MEM_SLOTS
  quiet(ask::set_protocol_features, bytes_of(protocol));
  CHECK(number(ask::get_queue_num) >= 9);
  CHECK(number(ask::get_max_mem_slots) >= 32);
  const unique_fd requests{::dup(0)};
  CHECK(number(ask::set_backend_req_fd, {}, {requests.get()}, 9) == 0);
  quiet(ask::set_owner);
  CHECK(number(ask::get_features) == features);
  for (const auto* queue : {&first, &second}) {
    event(ask::set_vring_call, queue->index(), queue->call_descriptor());
    event(ask::set_vring_err, queue->index(), queue->error_descriptor());
  }
  for (const auto* queue : {&first, &second})
    event(ask::set_vring_call, queue->index(), queue->call_descriptor());
  const std::uint64_t acknowledged = 0x170000000;
  quiet(ask::set_features, bytes_of(acknowledged));
  for (const auto& region : memory.regions()) {
    const fake::wire_memory_slot slot{
        0, {region.start(), region.size(), region.user_address(), region.file_offset()}};
    CHECK(number(ask::add_mem_reg, bytes_of(slot), {region.file()}, 9) == 0);
  }
  for (const auto* queue : {&first, &second}) {
    state(ask::set_vring_num, queue->index(), queue->size());
    state(ask::set_vring_base, queue->index(), 0);
    const vhost_vring_addr rings{.index = queue->index(),
                                 .flags = 0,
                                 .desc_user_addr = memory.user_address(queue->descriptor_address()),
                                 .used_user_addr = memory.user_address(queue->used_address()),
                                 .avail_user_addr = memory.user_address(queue->available_address()),
                                 .log_guest_addr = queue->used_address()};
    quiet(ask::set_vring_addr, bytes_of(rings));
    event(ask::set_vring_kick, queue->index(), queue->kick_descriptor());
  }
  state(ask::set_vring_enable, 0, 1);
  state(ask::set_vring_enable, 1, 1);
  for (const auto* queue : {&first, &second})
    event(ask::set_vring_call, queue->index(), queue->call_descriptor());

  fake::fuse_channel channel{memory, second};
  for (std::uint64_t offset = 0; offset < 5; ++offset)
    CHECK(is_file_at(offset, channel.wait(submit_read(channel, offset)).body));

  state(ask::set_vring_enable, 0, 0);
  state(ask::set_vring_enable, 1, 0);
  CHECK(vmm.stop_queue(0) == 0);
  CHECK(vmm.stop_queue(1) == 5);
}

TEST_CASE("every way to set a queue up serves requests") {
  vhost_user_rig rig;
  auto options = small_guest();
  SUBCASE("event index and indirect tables") {}
  SUBCASE("neither") {
    options.features = {false, false};
  }
  SUBCASE("a memory table instead of slots") {
    options.vmm.memory_slots = false;
  }
  SUBCASE("several request queues") {
    options.request_queues = 4;
  }
  SUBCASE("with memory for requests in flight") {
    options.inflight = true;
  }
  SUBCASE("without protocol features, when rings start enabled") {
    options.vmm.features &= ~fake::feature_protocol_features;
  }
  SUBCASE("the smallest queue") {
    options.queue_size = 8;
  }
  fake_guest guest{rig.socket(), options};
  CHECK(guest.init().major == 7);
  for (unsigned which = 0; which < options.request_queues; ++which)
    for (std::uint64_t offset = 0; offset < 100; ++offset) {
      auto& channel = guest.requests(which);
      const auto answer = channel.wait(submit_read(channel, offset));
      CHECK(answer.error == 0);
      CHECK(answer.body.size() == 4096);
      CHECK(answer.used_length == 4096 + sizeof(fuse_out_header));
      CHECK(is_file_at(offset, answer.body));
    }
  CHECK(guest.memory().guards_intact());
}

TEST_CASE("a held read holds up no other request, not even of its own queue") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), small_guest()};
  guest.init();
  rig.hold();
  const auto slow = submit_read(guest.requests(), 123);
  REQUIRE(rig.has_held(1));
  for (int i = 0; i < 100; ++i)
    CHECK(guest.getattr(7).as<fuse_attr_out>().attr.ino == 7);
  CHECK_FALSE(guest.requests().finished(slow));
  rig.release();
  CHECK(is_file_at(123, guest.requests().wait(slow).body));
}

TEST_CASE("FORGET and BATCH_FORGET give their buffers back with nothing written") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), small_guest()};
  guest.init();
  CHECK(guest.forget(5, 1) == 0);
  const fuse_forget_one two[] = {{5, 1}, {6, 2}};
  CHECK(guest.batch_forget(two) == 0);
}

TEST_CASE("an interrupted read is answered EINTR once, and its late answer goes nowhere") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), small_guest()};
  guest.init();
  rig.hold();
  const auto slow = submit_read(guest.requests(), 0);
  REQUIRE(rig.has_held(1));
  guest.interrupt(guest.requests().unique_of(slow));
  CHECK(guest.requests().wait(slow).error == EINTR);
  rig.release();
  CHECK(guest.getattr(3).error == 0); // a second answer would throw here
}

TEST_CASE("a guest that wants no interrupt gets none") {
  vhost_user_rig rig;
  auto options = small_guest();
  options.features.event_idx = false;
  fake_guest guest{rig.socket(), options};
  guest.init();
  (void) guest.requests().queue().take_calls();
  const auto read = submit_read(guest.requests(), 0); // NO_INTERRUPT is set until somebody waits
  REQUIRE(soon([&] { return guest.requests().finished(read); }));
  CHECK(guest.requests().queue().take_calls() == 0);
}

TEST_CASE("GET_VRING_BASE is answered when all that was taken is answered") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), small_guest()};
  guest.init();
  rig.hold();
  for (std::uint64_t offset = 0; offset < 5; ++offset)
    submit_read(guest.requests(), offset);
  REQUIRE(rig.has_held(5));
  REQUIRE(guest.vmm().send(ask::get_vring_base, bytes_of(vhost_vring_state{1, 0})));
  rig.release();
  const auto answer = guest.vmm().receive();
  REQUIRE(answer);
  CHECK(guest.requests().queue().used_index() == 6); // INIT was the first
  vhost_vring_state at{};
  std::memcpy(&at, answer->payload.data(), sizeof at);
  CHECK(at.index == 1);
  CHECK(at.num == 6);
}

TEST_CASE("a stopped queue's reads that never come are answered EIO, so that the VMM goes on") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), small_guest()};
  guest.init();
  rig.hold();
  const auto slow = submit_read(guest.requests(), 0);
  REQUIRE(rig.has_held(1));
  CHECK(guest.vmm().stop_queue(1) == 2);
  CHECK(guest.requests().wait(slow).error == EIO);
  rig.release();
}

TEST_CASE("a VMM that goes with reads under way leaves nothing behind, and the next one is served") {
  no_fd_leak guard;
  vhost_user_rig rig;
  {
    fake_guest gone{rig.socket(), small_guest()};
    gone.init();
    rig.hold();
    for (std::uint64_t offset = 0; offset < 5; ++offset)
      submit_read(gone.requests(), offset);
    REQUIRE(rig.has_held(5));
    gone.vmm().hang_up();
    CHECK(soon([] { return guest_mappings() == 2; })); // only the guest's own are left
    fake_guest next{rig.socket(), small_guest()};
    next.init();
    CHECK(next.getattr(9).error == 0);
    rig.release();
    CHECK(is_file_at(77, next.read(2, 0, 77, 4096).body));
    CHECK(gone.requests().queue().used_index() == 1); // INIT: nothing came after its VMM had gone
    CHECK(gone.memory().guards_intact());
  }
  CHECK(soon([] { return guest_mappings() == 0; }));
}

TEST_CASE("a second VMM waits until the first has gone") {
  vhost_user_rig rig;
  auto first = std::make_unique<fake_guest>(rig.socket(), small_guest());
  first->init();
  fake::fake_vmm second{rig.socket()};
  REQUIRE(second.send(ask::get_features, {}));
  CHECK(first->getattr(1).error == 0);
  first.reset();
  const auto answer = second.receive();
  REQUIRE(answer);
  CHECK(answer->header.request == static_cast<std::uint32_t>(ask::get_features));
}

TEST_CASE("a guest reboots on the same connection") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), small_guest()};
  guest.init();
  for (int i = 0; i < 3; ++i) {
    CHECK(is_file_at(50, guest.read(2, 0, 50, 4096).body));
    CHECK(guest.reboot()[1] == 2);
    CHECK(guest.init().major == 7);
  }
}

TEST_CASE("RESET_DEVICE with reads under way answers them, and the queues can start again") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), small_guest()};
  guest.init();
  rig.hold();
  const auto slow = submit_read(guest.requests(), 0);
  REQUIRE(rig.has_held(1));
  REQUIRE((guest.vmm().protocol_features() & fake::protocol_reset_device) != 0);
  guest.vmm().reset_device();
  CHECK(guest.requests().wait(slow).error == EIO);
  rig.release();
  for (auto* queue : guest.queues()) {
    queue->reset();
    guest.vmm().start_queue(guest.memory(), *queue, 0);
    guest.vmm().enable_queue(queue->index(), true);
  }
  CHECK(guest.init().major == 7);
  CHECK(is_file_at(1, guest.read(2, 0, 1, 4096).body));
}

TEST_SUITE_END();
