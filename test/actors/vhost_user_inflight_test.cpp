// SPDX-License-Identifier: Apache-2.0
// What a session keeps book of, and what the next one makes of it. The layout is the vhost-user
// specification's ("Inflight I/O tracking"), written down here apart from the product's.
#include <sys/mman.h>

#include "test/actors/vhost_user_rig.hpp"

using namespace nydus;
using fake::fake_guest;
using fake::ticket;

TEST_SUITE_BEGIN("actors/vhost_user_inflight");

namespace {

struct queue_book {
  std::uint64_t features;
  std::uint16_t version, descriptor_count, last_batch_head, used_index;
};
struct descriptor_book {
  std::uint8_t inflight, padding[5];
  std::uint16_t next;
  std::uint64_t counter;
};
static_assert(sizeof(queue_book) == 16 && sizeof(descriptor_book) == 16);

/// The request queue's part of a guest's inflight memory.
class book_of_queue {
public:
  explicit book_of_queue(const fake_guest& guest) : size_(guest.inflight().shape.size) {
    const auto& shape = guest.inflight().shape;
    place_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, guest.inflight().file.get(),
                    static_cast<off_t>(shape.offset));
    REQUIRE(place_ != MAP_FAILED);
    auto* const start = static_cast<std::byte*>(place_) + shape.size / shape.queue_count;
    head_ = reinterpret_cast<queue_book*>(start);
    descriptors_ = reinterpret_cast<descriptor_book*>(start + sizeof(queue_book));
    count_ = shape.queue_size;
  }
  ~book_of_queue() { ::munmap(place_, size_); }
  book_of_queue(const book_of_queue&) = delete;
  book_of_queue& operator=(const book_of_queue&) = delete;

  volatile queue_book& head() { return *head_; }
  volatile descriptor_book& at(std::uint16_t head) { return descriptors_[head]; }
  std::size_t inflight() {
    std::size_t found = 0;
    for (std::uint16_t i = 0; i < count_; ++i)
      found += at(i).inflight;
    return found;
  }

private:
  std::size_t size_;
  void* place_;
  queue_book* head_;
  descriptor_book* descriptors_;
  std::uint16_t count_;
};

fake::guest_options tracked() {
  auto options = small_guest();
  options.inflight = true;
  return options;
}

/// Reads at these offsets, submitted and held.
std::vector<ticket> held_reads(vhost_user_rig& rig, fake_guest& guest, std::size_t count) {
  std::vector<ticket> reads;
  rig.hold();
  for (std::uint64_t offset = 0; offset < count; ++offset)
    reads.push_back(submit_read(guest.requests(), offset * 4096));
  REQUIRE(rig.has_held(count));
  return reads;
}

void check_answers(fake_guest& guest, const std::vector<ticket>& reads) {
  for (std::size_t i = 0; i < reads.size(); ++i) {
    const auto answer = guest.requests().wait(reads[i]);
    CHECK(answer.error == 0);
    CHECK(is_file_at(i * 4096, answer.body));
  }
  CHECK(guest.requests().queue().outstanding() == 0);
  CHECK(guest.getattr(1).error == 0); // an answer too many throws here
}

} // namespace

TEST_CASE("what has been taken stands in the book until it is answered") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), tracked()};
  guest.init();
  book_of_queue book{guest};
  CHECK(book.head().version == 1);
  CHECK(book.head().descriptor_count == 64);
  const auto reads = held_reads(rig, guest, 3);
  CHECK(book.inflight() == 3);
  std::uint64_t last = 0;
  for (std::uint16_t i = 1; i <= 3; ++i) { // INIT was the first
    const auto head = guest.requests().queue().available_entry(i);
    CHECK(book.at(head).inflight == 1);
    CHECK(book.at(head).counter > last);
    last = book.at(head).counter;
  }
  rig.release();
  check_answers(guest, reads);
  CHECK(soon([&] { return book.inflight() == 0; }));
  CHECK(soon([&] { return book.head().used_index == guest.requests().queue().used_index(); }));
}

TEST_CASE("a VMM that comes again gets every answer it is owed, once and in order") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), tracked()};
  guest.init();
  auto reads = held_reads(rig, guest, 5);
  guest.vmm().hang_up();
  REQUIRE(soon([] { return guest_mappings() == 2; }));
  rig.release(); // the first session's answers: nobody is there to take them
  rig.hold();
  SUBCASE("and says its used index, as QEMU does") {
    guest.reconnect();
  }
  SUBCASE("and says its available index, as Cloud Hypervisor does") {
    const std::uint16_t bases[] = {guest.queue(0).available_index(), guest.queue(1).available_index()};
    guest.reconnect(bases);
  }
  SUBCASE("with requests that nobody has taken yet") {
    for (std::uint64_t offset = 5; offset < 8; ++offset)
      reads.push_back(submit_read(guest.requests(), offset * 4096));
    guest.reconnect();
  }
  REQUIRE(rig.has_held(reads.size()));
  CHECK(rig.control().out_of_order == 0);
  rig.release();
  check_answers(guest, reads);
}

TEST_CASE("answers that the guest has, but the book still names, are not given twice") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), tracked()};
  guest.init();
  auto& queue = guest.requests().queue();
  const auto reads = held_reads(rig, guest, 2);
  const auto first = queue.available_entry(1);
  const auto second = queue.available_entry(2);
  rig.release();
  for (const auto read : reads)
    CHECK(guest.requests().wait(read).error == 0);
  guest.vmm().hang_up();
  REQUIRE(soon([] { return guest_mappings() == 2; }));
  // As a process leaves it that was killed between the used ring and the book: the last batch was of two.
  book_of_queue book{guest};
  REQUIRE(book.inflight() == 0);
  book.at(first).inflight = 1;
  book.at(second).inflight = 1;
  book.at(second).next = first;
  book.head().last_batch_head = second;
  book.head().used_index = static_cast<std::uint16_t>(queue.used_index() - 2);
  const auto before = rig.control().requests.load();
  guest.reconnect();
  CHECK(guest.getattr(1).error == 0);
  CHECK(rig.control().requests == before + 1);
  CHECK(book.inflight() == 0);
}

TEST_CASE("a book full of nonsense ends no daemon") {
  vhost_user_rig rig;
  fake_guest guest{rig.socket(), tracked()};
  guest.init();
  guest.vmm().hang_up();
  REQUIRE(soon([] { return guest_mappings() == 2; }));
  {
    book_of_queue book{guest};
    SUBCASE("every head in flight") {
      for (std::uint16_t i = 0; i < 64; ++i)
        book.at(i).inflight = 0xff;
    }
    SUBCASE("a batch that goes round and round") {
      for (std::uint16_t i = 0; i < 64; ++i)
        book.at(i).next = i;
      book.head().used_index = 77;
      book.head().last_batch_head = 3;
    }
    SUBCASE("links out of the table") {
      book.head().last_batch_head = 0xffff;
      book.head().used_index = 0xffff;
    }
    SUBCASE("another version") {
      book.head().version = 0x4242;
    }
  }
  try {
    guest.reconnect();
  } catch (const fake::peer_error&) { // hanging up is a way to refuse it
  }
  guest.vmm().hang_up();
  fake_guest next{rig.socket(), small_guest()};
  CHECK(next.init().major == 7);
  CHECK(next.getattr(1).error == 0);
}

TEST_SUITE_END();
