// SPDX-License-Identifier: Apache-2.0
// A guest that reads one file while reads of another, on the same queue, hang: does it feel them? Told what
// to do by lines on its standard input, it answers each with a line of JSON. Neighbours: virtqueue_load.cpp
// measures without such company; isolation_tables.py and test/end_to_end/queue_isolation_test.py talk to this
// one.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "test/fakes/fake_guest.hpp"

namespace {

using namespace nydus::fake;
using steady = std::chrono::steady_clock;

constexpr std::uint32_t read_size = 4096;

struct guest_orders {
  std::string socket, file, hung_file, same_as;
  unsigned depth = 16, hung_reads = 64;
  std::uint64_t hung_stride = 4 << 20; // bytes from one hanging read to the next
  double seconds = 2;
  std::chrono::milliseconds patience{5000};
};

/// Reads of `file` in lanes, one under way in each, and `hung_reads` of `hung_file` beside them.
class company {
public:
  company(fake_guest& guest, const guest_orders& orders)
      : channel_(guest.requests()), orders_(orders), file_(guest.walk(orders.file)),
        hung_(guest.walk(orders.hung_file)), handle_(guest.open(file_.node)),
        hung_handle_(guest.open(hung_.node)) {
    if (!orders.same_as.empty()) {
      std::ifstream copy{orders.same_as, std::ios::binary};
      bytes_.assign(std::istreambuf_iterator<char>{copy}, {});
    }
    for (std::uint64_t at = 0; at < file_.attributes.size; at += mebibyte) // the blob cache is filled here
      if (guest.read(file_.node, handle_, at, mebibyte).error != 0)
        throw peer_error("the file cannot be read");
  }

  /// Begins the reads that are to hang; nobody waits for them.
  void begin_hanging() {
    for (unsigned place = 0; place < orders_.hung_reads; ++place)
      submit(hung_, hung_handle_, place * orders_.hung_stride % hung_.attributes.size, true);
    channel_.kick();
  }

  /// {"rate": reads/s, "p99": us}; rate 0 if they stop.
  std::string measure() {
    const auto pages = file_.attributes.size / read_size;
    const auto end = steady::now() + std::chrono::duration_cast<steady::duration>(
                                         std::chrono::duration<double>(orders_.seconds));
    std::vector<double> took; // us
    const auto next = [&] { submit(file_, handle_, random_() % pages * read_size, false); };
    for (unsigned lane = 0; lane < orders_.depth; ++lane)
      next();
    channel_.kick();
    try {
      for (unsigned lanes = orders_.depth; lanes > 0; channel_.kick()) {
        channel_.wait_for_any();
        while (const auto answer = channel_.next()) {
          const auto was = take(*answer);
          if (was.is_hung)
            continue;
          took.push_back(std::chrono::duration<double, std::micro>(steady::now() - was.since).count());
          if (steady::now() < end)
            next();
          else
            --lanes;
        }
      }
    } catch (const peer_error&) { // patience is over
      return R"({"rate": 0, "p99": )" + std::to_string(orders_.patience.count() * 1000) + "}";
    }
    const auto p99 = took.begin() + static_cast<std::ptrdiff_t>(took.size() * 99 / 100);
    std::nth_element(took.begin(), p99, took.end());
    return R"({"rate": )" + std::to_string(static_cast<double>(took.size()) / orders_.seconds) +
           R"(, "p99": )" + std::to_string(*p99) + "}";
  }

  /// How each hanging read ended, {"errno": reads}, once all have.
  std::string wait_for_hanging() {
    for (; ended_ < orders_.hung_reads; channel_.kick()) {
      channel_.wait_for_any();
      while (const auto answer = channel_.next())
        take(*answer);
    }
    return outcomes();
  }

  /// How those that have ended did.
  std::string outcomes() const {
    std::string text;
    for (const auto& [error, count] : hung_errors_)
      text += (text.empty() ? "{\"" : ", \"") + std::to_string(error) + "\": " + std::to_string(count);
    return text.empty() ? "{}" : text + "}";
  }

private:
  static constexpr std::uint32_t mebibyte = 1 << 20;
  struct under_way {
    bool is_hung = false;
    std::uint64_t offset = 0;
    steady::time_point since;
  };

  void submit(const found_node& file, std::uint64_t handle, std::uint64_t offset, bool is_hung) {
    const auto arguments = read_arguments(handle, offset, read_size);
    const auto which = channel_.submit({FUSE_READ, file.node, bytes_of(arguments), read_size});
    if (which >= by_ticket_.size())
      by_ticket_.resize(which + 1);
    by_ticket_[which] = {is_hung, offset, steady::now()};
  }

  /// What the answer was for; a wrong one throws something that ends the program.
  under_way take(const fuse_view& answer) {
    const auto was = by_ticket_[answer.which];
    if (was.is_hung) {
      ++ended_;
      ++hung_errors_[answer.error];
    } else if (answer.error != 0 || answer.body.size() != read_size ||
               (!bytes_.empty() &&
                std::memcmp(answer.body.data(), bytes_.data() + was.offset, read_size) != 0)) {
      throw std::runtime_error("a read at " + std::to_string(was.offset) + " is wrong, with error " +
                               std::to_string(answer.error));
    }
    channel_.release(answer.which);
    return was;
  }

  fuse_channel& channel_;
  const guest_orders& orders_;
  found_node file_, hung_;
  std::uint64_t handle_, hung_handle_;
  std::vector<char> bytes_; // of the file; empty: unknown
  std::vector<under_way> by_ticket_;
  std::map<int, unsigned> hung_errors_;
  unsigned ended_ = 0;
  std::minstd_rand random_{1};
};

void run(const guest_orders& orders) {
  guest_options machine;
  machine.channel.patience = orders.patience;
  machine.vmm.waits_for_start = true; // the public nydusd loses a kick that comes too early
  fake_guest guest{orders.socket, machine};
  guest.init();
  company reads{guest, orders};
  std::puts("{}");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line); std::fflush(stdout)) {
    if (line == "hang")
      reads.begin_hanging();
    else if (line == "measure")
      std::puts(reads.measure().c_str());
    if (line == "hang" || line == "outcomes")
      std::puts(reads.outcomes().c_str());
    else if (line == "wait")
      std::puts(reads.wait_for_hanging().c_str());
  }
}

} // namespace

int main(int count, char** words) {
  guest_orders orders;
  CLI::App line{"Reads a file of a vhost-user-fs back end while reads of another one hang.\n"
                "Lines it obeys: measure, hang (begins those reads), outcomes (of those that ended), wait."};
  line.add_option("--sock", orders.socket, "the back end's socket")->required();
  line.add_option("--file", orders.file, "file to read, from the root of what is served")->required();
  line.add_option("--same-as", orders.same_as, "a copy of FILE; each answer is compared with it");
  line.add_option("--hung", orders.hung_file, "file whose reads hang")->required();
  line.add_option("--hung-reads", orders.hung_reads, "of it at once");
  line.add_option("--hung-stride", orders.hung_stride, "bytes between them");
  line.add_option("--depth", orders.depth, "reads of FILE under way");
  line.add_option("--seconds", orders.seconds, "of one measurement");
  CLI11_PARSE(line, count, words);
  try {
    run(orders);
  } catch (const std::exception& why) {
    std::fprintf(stderr, "hung_guest: %s\n", why.what());
    return 1;
  }
  return 0;
}
