// SPDX-License-Identifier: Apache-2.0
#include "actors/waiting_reads.hpp"

#include <doctest/doctest.h>

using namespace nydus;

TEST_SUITE_BEGIN("actors/waiting_reads");

namespace {

constexpr std::uint32_t size = 100;

fs_request read_of(std::uint32_t slot) {
  fs_request request;
  request.slot = slot;
  request.asked.size = size;
  return request;
}

chunks_ready answer_to(std::uint64_t ticket, std::uint64_t offset, errc why = errc::none) {
  return {ticket, {{offset, nullptr, why}}};
}

chunk chunk_of(std::uint32_t blob_index, std::uint64_t offset) {
  chunk one;
  one.blob_index = blob_index;
  one.compressed_offset = offset;
  return one;
}

struct reads_test {
  std::shared_ptr<mount_counters> shown = std::make_shared<mount_counters>();
  waiting_reads reads{limits(2, 2 * size), shown};

  static wait_limits limits(std::size_t most, std::uint64_t bytes) {
    wait_limits set;
    set.mount_reads = static_cast<decltype(set.mount_reads)>(most);
    set.mount_bytes = bytes;
    return set;
  }
};

} // namespace

TEST_CASE_FIXTURE(
    reads_test,
    "a read waits until all blobs that it asked have answered, and knows what came of each chunk") {
  reads.begin(read_of(7), {});
  const auto first = reads.ask(0), second = reads.ask(1);
  CHECK(!reads.settle(answer_to(first, 4096)));
  const auto ended = reads.settle(answer_to(second, 4096, errc::corrupt));
  REQUIRE(ended);
  CHECK(ended->request.slot == 7);
  CHECK(ended->settled_of(chunk_of(0, 4096))->why == errc::none);
  CHECK(ended->settled_of(chunk_of(1, 4096))->why == errc::corrupt);
  CHECK(ended->settled_of(chunk_of(0, 0)) == nullptr);
}

TEST_CASE_FIXTURE(reads_test, "an answer that nobody waits for changes nothing") {
  CHECK(!reads.settle(answer_to(5, 0)));
  reads.begin(read_of(1), {});
  const auto ticket = reads.ask(0);
  REQUIRE(reads.settle(answer_to(ticket, 0)));
  CHECK(!reads.settle(answer_to(ticket, 0)));
  CHECK(shown->waiting_reads == 0);
}

TEST_CASE_FIXTURE(reads_test, "reads and bytes are bounded; the others come in their order as those end") {
  CHECK(reads.has_room(1'000'000)); // one always may wait
  reads.begin(read_of(0), {});
  const auto ticket = reads.ask(0);
  CHECK(reads.has_room(size));
  CHECK(!reads.has_room(size + 1));
  reads.begin(read_of(1), {});
  reads.ask(0);
  CHECK(!reads.has_room(0));
  reads.queue(read_of(2));
  reads.queue(read_of(3));
  CHECK(!reads.next_with_room());
  CHECK(shown->waiting_reads == 2);
  CHECK(shown->waiting_bytes == 2 * size);
  CHECK(shown->queued_reads == 2);
  REQUIRE(reads.settle(answer_to(ticket, 0)));
  CHECK(reads.next_with_room()->slot == 2);
  CHECK(shown->queued_reads == 1);
}

TEST_CASE_FIXTURE(reads_test,
                  "when the mount leaves, every read is handed back once and nothing waits any more") {
  reads.begin(read_of(0), {});
  const auto ticket = reads.ask(0);
  reads.queue(read_of(1));
  CHECK(reads.take_all().size() == 2);
  CHECK(reads.take_all().empty());
  CHECK(!reads.settle(answer_to(ticket, 0)));
  CHECK(shown->waiting_reads == 0);
  CHECK(shown->waiting_bytes == 0);
  CHECK(shown->queued_reads == 0);
}

TEST_SUITE_END();
