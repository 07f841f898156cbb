// SPDX-License-Identifier: Apache-2.0
#include "protocol/vhost_user/inflight_log.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstring>

#include "test/fakes/shared_memory.hpp"

using namespace nydus;
using namespace nydus::vhost_user;

TEST_SUITE_BEGIN("protocol/vhost_user/inflight_log");

namespace {

/// Memory for two queues of 8, as one daemon makes it and the next one gets it.
struct log_test {
  log_test() {
    auto made = inflight_memory::make(described, file);
    REQUIRE(made);
    memory = *made;
  }

  /// A daemon's log of queue 1.
  inflight_log open() {
    auto mapped = inflight_memory::map(described, file);
    REQUIRE(mapped);
    return inflight_log{*mapped, (*mapped)->queue(1, 8), 8};
  }

  std::vector<std::uint16_t> resume(std::uint16_t published) {
    bool has_history = false;
    auto heads = open().resume(published, has_history);
    CHECK(has_history);
    return heads;
  }

  inflight_description described{0, 0, 2, 8, 0};
  unique_fd file;
  std::shared_ptr<inflight_memory> memory;
};

using heads = std::vector<std::uint16_t>;

} // namespace

TEST_CASE_FIXTURE(log_test, "new memory has no history") {
  bool has_history = true;
  CHECK(open().resume(5, has_history).empty());
  CHECK(!has_history);
  CHECK(resume(5).empty());
}

TEST_CASE_FIXTURE(log_test, "what was taken and not answered is served again, in its order") {
  bool has_history;
  auto log = open();
  log.resume(0, has_history);
  for (const auto head : heads{6, 2, 4})
    log.taken(head);
  log.answering(2);
  log.answered(2, 1);
  CHECK(resume(1) == heads{6, 4});
}

TEST_CASE_FIXTURE(log_test, "an answer that the guest was not shown is served again") {
  bool has_history;
  auto log = open();
  log.resume(0, has_history);
  log.taken(6);
  log.taken(2);
  log.answering(6);
  CHECK(resume(0) == heads{6, 2});
}

TEST_CASE_FIXTURE(log_test, "an answer that was shown but not crossed off is not given twice") {
  bool has_history;
  auto log = open();
  log.resume(65535, has_history);
  for (const auto head : heads{1, 2, 3})
    log.taken(head);
  log.answering(3);
  log.answered(3, 0);
  log.answering(1);
  CHECK(resume(1) == heads{2}); // shown: the used ring's index is 1
  CHECK(resume(1) == heads{2});
}

TEST_CASE_FIXTURE(log_test, "the next daemon goes on with the log") {
  bool has_history;
  {
    auto log = open();
    log.resume(0, has_history);
    log.taken(5);
  }
  auto log = open();
  CHECK(log.resume(0, has_history) == heads{5});
  log.taken(5); // again
  log.taken(1);
  log.answering(1);
  log.answered(1, 1);
  CHECK(resume(1) == heads{5});
}

TEST_CASE_FIXTURE(log_test, "queues have parts of their own, and none if the memory has no room for them") {
  CHECK(memory->queue(0, 8) != nullptr);
  CHECK(memory->queue(1, 4) == memory->queue(1, 8));
  CHECK(memory->queue(0, 8) != memory->queue(1, 8));
  CHECK(memory->queue(2, 8) == nullptr);
  CHECK(memory->queue(0, 16) == nullptr);
}

TEST_CASE_FIXTURE(log_test, "memory that a VMM has filled with anything costs nothing but its content") {
  std::vector<unsigned char> noise(described.size);
  for (std::size_t i = 0; i < noise.size(); ++i)
    noise[i] = static_cast<unsigned char>(i * 167 + 13);
  for (const auto last : heads{3, 8, 65535}) {
    // A version and a size that fit, so that all else is believed.
    const std::uint16_t words[] = {1, 8, last, 60000};
    std::memcpy(noise.data() + described.size / 2 + 8, words, sizeof words);
    REQUIRE(::pwrite(file.get(), noise.data(), noise.size(), 0) == static_cast<ssize_t>(noise.size()));
    for (const auto head : resume(3))
      CHECK(head < 8);
  }
}

TEST_CASE("memory that does not fit its description is malformed") {
  const auto file = memory_file(4096);
  CHECK(inflight_memory::map({4096, 0, 2, 8, 0}, file));
  CHECK(!inflight_memory::map({4096, 64, 2, 8, 0}, file));
  CHECK(!inflight_memory::map({8192, 0, 2, 8, 0}, file));
  CHECK(!inflight_memory::map({64, 0, 2, 8, 0}, file));
  CHECK(!inflight_memory::map({4096, 0, 2, 1024, 0}, file));
  CHECK(!inflight_memory::map({1024, 3, 1, 8, 0}, file));
  CHECK(!inflight_memory::map({~std::uint64_t{0}, 64, 1, 8, 0}, file));
  CHECK(!inflight_memory::map({64, ~std::uint64_t{63}, 1, 8, 0}, file));
}
