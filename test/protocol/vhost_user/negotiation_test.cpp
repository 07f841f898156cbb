// SPDX-License-Identifier: Apache-2.0
#include "protocol/vhost_user/negotiation.hpp"

#include <doctest/doctest.h>

#include <sys/eventfd.h>

#include <cstring>
#include <string>

#include "protocol/virtio/ring_layout.hpp"

using namespace nydus;
using namespace nydus::vhost_user;

TEST_SUITE_BEGIN("protocol/vhost_user/negotiation");

namespace {

template <class T>
message message_of(request id, const T& payload, std::size_t descriptors = 0, bool needs_reply = false) {
  message asked;
  asked.id = id;
  asked.needs_reply = needs_reply;
  const auto bytes = std::as_bytes(std::span{&payload, 1});
  asked.payload.assign(bytes.begin(), bytes.end());
  for (std::size_t i = 0; i < descriptors; ++i)
    asked.descriptors.emplace_back(::eventfd(0, EFD_CLOEXEC));
  return asked;
}

message empty_message(request id, std::size_t descriptors = 0, bool needs_reply = false) {
  auto asked = message_of(id, std::uint64_t{0}, descriptors, needs_reply);
  asked.payload.clear();
  return asked;
}

/// Actions as words: "start 1", "reply 8".
std::string words_of(const action_list& actions) {
  struct teller {
    std::string operator()(const action::reply& a) { return "reply " + std::to_string(a.payload.size()); }
    std::string operator()(const action::replace_memory& a) {
      return "memory " + std::to_string(a.regions.size());
    }
    std::string operator()(const action::add_memory&) { return "add memory"; }
    std::string operator()(const action::remove_memory&) { return "remove memory"; }
    std::string operator()(const action::keep_notifier& a) {
      return std::string{a.kind == action::notifier::kick   ? "kick "
                         : a.kind == action::notifier::call ? "call "
                                                            : "error "} +
             std::to_string(a.queue);
    }
    std::string operator()(const action::start_queue& a) { return "start " + std::to_string(a.queue); }
    std::string operator()(const action::stop_queue& a) { return "stop " + std::to_string(a.queue); }
    std::string operator()(const action::reply_base& a) { return "base " + std::to_string(a.queue); }
    std::string operator()(const action::make_inflight&) { return "make inflight"; }
    std::string operator()(const action::take_inflight&) { return "take inflight"; }
    std::string operator()(const action::keep_back_channel&) { return "back channel"; }
    std::string operator()(const action::reset_session&) { return "reset"; }
  };
  std::string words;
  for (const auto& one : actions)
    words += (words.empty() ? "" : ", ") + std::visit(teller{}, one);
  return words;
}

/// What comes of one message; the failure's text, if it is refused.
std::string outcome(negotiation& talk, const message& asked) {
  const auto actions = talk.on_message(asked);
  return actions ? words_of(*actions) : "refused: " + actions.error().detail;
}

std::uint64_t number_in(const action_list& actions) {
  std::uint64_t number = 0;
  const auto& reply = std::get<action::reply>(actions.at(0));
  REQUIRE(reply.payload.size() == sizeof number);
  std::memcpy(&number, reply.payload.data(), sizeof number);
  return number;
}

vring_address address_of(std::uint32_t index) {
  return {index, 0, 0x7f2c7eaef000, 0x7f2c7eaf3840, 0x7f2c7eaf3000, 0};
}

/// All that a queue needs but the last word, SET_VRING_ENABLE.
void prepare(negotiation& talk, std::uint32_t index) {
  CHECK(outcome(talk, message_of(request::set_vring_num, vring_state{index, 1024})).empty());
  CHECK(outcome(talk, message_of(request::set_vring_base, vring_state{index, 7})).empty());
  CHECK(outcome(talk, message_of(request::set_vring_addr, address_of(index))).empty());
  CHECK(outcome(talk, message_of(request::set_vring_kick, std::uint64_t{index}, 1)) ==
        "kick " + std::to_string(index));
}

} // namespace

TEST_CASE("QEMU's conversation, as it was recorded, leads to two queues that run and then stop") {
  negotiation talk;
  const auto tell = [&](const message& asked) { return outcome(talk, asked); };
  const auto features = talk.on_message(empty_message(request::get_features));
  REQUIRE(features);
  CHECK(number_in(*features) == 0x170000000);
  const auto protocol = talk.on_message(empty_message(request::get_protocol_features));
  REQUIRE(protocol);
  // MQ, REPLY_ACK, BACKEND_REQ, INFLIGHT_SHMFD, RESET_DEVICE, CONFIGURE_MEM_SLOTS: bits 0, 3, 5, 12, 13, 15.
  CHECK(number_in(*protocol) == 0xb029);
  CHECK(tell(message_of(request::set_protocol_features, std::uint64_t{0x9029})).empty());
  const auto queues = talk.on_message(empty_message(request::get_queue_num));
  REQUIRE(queues);
  CHECK(number_in(*queues) >= 9);
  const auto slots = talk.on_message(empty_message(request::get_max_mem_slots));
  REQUIRE(slots);
  CHECK(number_in(*slots) == 509);
  const auto backend = empty_message(request::set_backend_req_fd, 1, true);
  CHECK(tell(backend) == "back channel");
  CHECK(talk.wants_acknowledgement(backend));
  CHECK(tell(empty_message(request::set_owner)).empty());
  CHECK(tell(empty_message(request::get_features)) == "reply 8");
  for (std::uint64_t i = 0; i < 2; ++i) {
    CHECK(tell(message_of(request::set_vring_call, i, 1)) == "call " + std::to_string(i));
    CHECK(tell(message_of(request::set_vring_err, i, 1)) == "error " + std::to_string(i));
  }
  // The guest's driver is there.
  for (std::uint64_t i = 0; i < 2; ++i)
    CHECK(tell(message_of(request::set_vring_call, i, 1)) == "call " + std::to_string(i));
  CHECK(tell(message_of(request::set_features, std::uint64_t{0x170000000})).empty());
  CHECK(talk.features() == 0x170000000);
  for (const std::uint64_t start : {0, 0xc0000})
    CHECK(tell(message_of(request::add_mem_reg,
                          one_region{0, {start, 0xa0000, 0x7f2c00000000 + start, start}}, 1, true)) ==
          "add memory");
  for (std::uint32_t i = 0; i < 2; ++i) {
    CHECK(tell(message_of(request::set_vring_num, vring_state{i, 1024})).empty());
    CHECK(tell(message_of(request::set_vring_base, vring_state{i, 0})).empty());
    CHECK(tell(message_of(request::set_vring_addr, address_of(i))).empty());
    CHECK(tell(message_of(request::set_vring_kick, std::uint64_t{i}, 1)) == "kick " + std::to_string(i));
  }
  for (std::uint32_t i = 0; i < 2; ++i)
    CHECK(tell(message_of(request::set_vring_enable, vring_state{i, 1})) == "start " + std::to_string(i));
  CHECK(talk.queue(1).place.size == 1024);
  CHECK(talk.queue(1).place.used == virtio::user_address{0x7f2c7eaf3840});
  for (std::uint64_t i = 0; i < 2; ++i)
    CHECK(tell(message_of(request::set_vring_call, i, 1)) == "call " + std::to_string(i));
  // The driver goes.
  for (std::uint32_t i = 0; i < 2; ++i)
    CHECK(tell(message_of(request::set_vring_enable, vring_state{i, 0})) == "stop " + std::to_string(i));
  talk.queue_stopped(1, 1869);
  for (std::uint32_t i = 0; i < 2; ++i)
    CHECK(tell(message_of(request::get_vring_base, vring_state{i, 0})) == "base " + std::to_string(i));
  CHECK(talk.queue(1).next_available == 1869);
  CHECK(!talk.queue(1).has_kick);
}

TEST_CASE("a queue runs once it has all that it needs, in whatever order that comes") {
  negotiation talk;
  SUBCASE("enabled at last") {
    prepare(talk, 1);
    CHECK(outcome(talk, message_of(request::set_vring_enable, vring_state{1, 1})) == "start 1");
  }
  SUBCASE("enabled at first") {
    CHECK(outcome(talk, message_of(request::set_vring_enable, vring_state{1, 1})).empty());
    CHECK(outcome(talk, message_of(request::set_vring_kick, std::uint64_t{1}, 1)) == "kick 1");
    CHECK(outcome(talk, message_of(request::set_vring_addr, address_of(1))).empty());
    CHECK(outcome(talk, message_of(request::set_vring_num, vring_state{1, 64})) == "start 1");
  }
  SUBCASE("without protocol features nobody enables it") {
    CHECK(outcome(talk, message_of(request::set_features, std::uint64_t{1} << 32)).empty());
    CHECK(outcome(talk, message_of(request::set_vring_num, vring_state{1, 64})).empty());
    CHECK(outcome(talk, message_of(request::set_vring_addr, address_of(1))).empty());
    CHECK(outcome(talk, message_of(request::set_vring_kick, std::uint64_t{1}, 1)) == "kick 1, start 1");
  }
  CHECK(talk.queue(1).is_running);
}

TEST_CASE("a queue that moves or gets another kick while it runs stops for that") {
  negotiation talk;
  prepare(talk, 1);
  CHECK(outcome(talk, message_of(request::set_vring_enable, vring_state{1, 1})) == "start 1");
  CHECK(outcome(talk, message_of(request::set_vring_addr, address_of(1))) == "stop 1, start 1");
  CHECK(outcome(talk, message_of(request::set_vring_kick, std::uint64_t{1}, 1)) == "stop 1, kick 1, start 1");
  CHECK(outcome(talk, message_of(request::get_vring_base, vring_state{1, 0})) == "stop 1, base 1");
  CHECK(outcome(talk, message_of(request::get_vring_base, vring_state{1, 0})) == "base 1");
}

TEST_CASE("a reset stops and disables all queues and forgets the guest") {
  negotiation talk;
  prepare(talk, 0);
  prepare(talk, 1);
  CHECK(outcome(talk, message_of(request::set_vring_enable, vring_state{0, 1})) == "start 0");
  CHECK(outcome(talk, message_of(request::set_vring_enable, vring_state{1, 1})) == "start 1");
  CHECK(outcome(talk, empty_message(request::reset_device)) == "stop 0, stop 1, reset");
  CHECK(!talk.queue(1).is_enabled);
}

TEST_CASE("a table of memory has one descriptor per region") {
  struct two_regions {
    memory_table_head head{2, 0};
    region_record regions[2]{{0, 0xa0000, 0x1000000, 0}, {0xc0000, 0x1000, 0x2000000, 0xc0000}};
  };
  static_assert(sizeof(two_regions) == 72);
  negotiation talk;
  CHECK(outcome(talk, message_of(request::set_mem_table, two_regions{}, 2)) == "memory 2");
  CHECK(outcome(talk, message_of(request::set_mem_table, two_regions{}, 1))
            .find("1 descriptors for 2 regions") != std::string::npos);
  two_regions more;
  more.head.count = 3;
  CHECK(outcome(talk, message_of(request::set_mem_table, more, 3)).find("refused") == 0);
  more.head.count = 9;
  CHECK(outcome(talk, message_of(request::set_mem_table, more, 8)).find("refused") == 0);
  more.head.count = 0xffffffff;
  CHECK(outcome(talk, message_of(request::set_mem_table, more, 2)).find("refused") == 0);
}

TEST_CASE("memory for requests in flight is made, or taken before a queue runs") {
  negotiation talk;
  const inflight_description wanted{0, 0, 2, 1024, 0};
  CHECK(outcome(talk, message_of(request::get_inflight_fd, wanted)) == "make inflight");
  CHECK(outcome(talk, message_of(request::set_inflight_fd, wanted, 1)) == "take inflight");
  auto packed = message_of(request::get_inflight_fd, wanted);
  packed.payload.resize(20); // as some VMMs send it
  CHECK(outcome(talk, packed) == "make inflight");
  packed.payload.resize(19);
  CHECK(outcome(talk, packed).find("refused") == 0);
  for (const auto& wrong : {inflight_description{0, 0, 0, 1024, 0}, inflight_description{0, 0, 66, 1024, 0},
                            inflight_description{0, 0, 2, 1000, 0}, inflight_description{0, 0, 2, 0, 0}})
    CHECK(outcome(talk, message_of(request::get_inflight_fd, wrong)).find("refused") == 0);
  prepare(talk, 1);
  CHECK(outcome(talk, message_of(request::set_vring_enable, vring_state{1, 1})) == "start 1");
  CHECK(outcome(talk, message_of(request::set_inflight_fd, wanted, 1)).find("is running") !=
        std::string::npos);
}

TEST_CASE("what was not asked for is not acknowledged") {
  negotiation talk;
  auto asked = message_of(request::set_vring_num, vring_state{0, 64}, 0, true);
  CHECK(!talk.wants_acknowledgement(asked)); // REPLY_ACK is not agreed on
  CHECK(outcome(talk, message_of(request::set_protocol_features, protocol_feature::reply_ack)).empty());
  CHECK(talk.wants_acknowledgement(asked));
  asked.needs_reply = false;
  CHECK(!talk.wants_acknowledgement(asked));
  CHECK(!talk.wants_acknowledgement(message_of(request::get_vring_base, vring_state{0, 0}, 0, true)));
}

TEST_CASE("a VMM that does not keep to the protocol is refused") {
  negotiation talk;
  prepare(talk, 1);
  CHECK(outcome(talk, message_of(request::set_vring_enable, vring_state{1, 1})) == "start 1");
  const auto refused = [&](const message& asked) { return outcome(talk, asked).find("refused") == 0; };
  CHECK(refused(empty_message(request{4711})));
  CHECK(refused(empty_message(request{0})));
  CHECK(refused(message_of(request::set_features, std::uint32_t{0})));
  CHECK(refused(message_of(request::set_features, std::uint64_t{1} << 34)));
  CHECK(refused(message_of(request::set_protocol_features, std::uint64_t{1} << 1)));
  CHECK(refused(message_of(request::set_vring_num, vring_state{65, 64})));
  CHECK(refused(message_of(request::set_vring_num, vring_state{0, 0})));
  CHECK(refused(message_of(request::set_vring_num, vring_state{0, 65536})));
  CHECK(refused(message_of(request::set_vring_num, vring_state{0, 100})));
  CHECK(refused(message_of(request::set_vring_num, vring_state{1, 64})));  // runs
  CHECK(refused(message_of(request::set_vring_base, vring_state{1, 64}))); // runs
  CHECK(refused(message_of(request::set_vring_base, vring_state{0, 65536})));
  CHECK(refused(message_of(request::set_vring_enable, vring_state{0, 2})));
  CHECK(refused(message_of(request::set_vring_enable, vring_state{0xffffffff, 1})));
  CHECK(refused(message_of(request::set_vring_addr, address_of(65))));
  CHECK(refused(message_of(request::get_vring_base, vring_state{65, 0})));
  CHECK(refused(message_of(request::set_vring_kick, std::uint64_t{0}, 0)));     // says that there is one
  CHECK(refused(message_of(request::set_vring_kick, std::uint64_t{0x100}, 1))); // says that there is none
  CHECK(refused(message_of(request::set_vring_kick, std::uint64_t{0x100}, 0))); // would have to be polled
  CHECK(refused(message_of(request::set_vring_kick, std::uint64_t{0}, 2)));
  CHECK(refused(message_of(request::set_vring_call, std::uint64_t{200}, 1)));
  CHECK(refused(message_of(request::add_mem_reg, one_region{}, 0)));
  CHECK(refused(message_of(request::add_mem_reg, one_region{}, 2)));
  CHECK(refused(message_of(request::rem_mem_reg, one_region{}, 2)));
  CHECK(refused(message_of(request::add_mem_reg, std::uint64_t{0}, 1)));
  CHECK(refused(empty_message(request::set_owner, 1)));
  CHECK(refused(empty_message(request::set_backend_req_fd)));
  CHECK(refused(message_of(request::set_inflight_fd, inflight_description{0, 0, 2, 64, 0}, 0)));
}

TEST_CASE("a queue may go without a notification, if its guest looks by itself") {
  negotiation talk;
  CHECK(outcome(talk, message_of(request::set_vring_call, std::uint64_t{0x101})) == "call 1");
}
