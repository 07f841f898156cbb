// SPDX-License-Identifier: Apache-2.0
// A guest that asks as fast as it may: speaks the VMM's side to any vhost-user-fs back end and measures
// requests per second and how long each took. It sleeps on the queue's call descriptor, as a guest sleeps
// until its interrupt. Neighbours: test/fakes/fake_guest.hpp is the guest; virtqueue_table.py starts back
// ends in turn.
#include <sched.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "test/fakes/fake_guest.hpp"

namespace {

using namespace nydus::fake;
using steady = std::chrono::steady_clock;

struct load_options {
  std::string socket, file, directory;
  double seconds = 2;
  std::uint32_t piece_size = 4096; // bytes per descriptor of an answer's body
  unsigned queue_size = 1024;
  bool event_idx = true, indirect = true, kick_each = false, json = false;
  int cpu = -1;
  std::vector<std::string> rows; // empty: all
};

/// One row: `depth` requests are kept under way, each in a lane of its own.
struct workload {
  std::string name;
  unsigned depth;
  std::string unit;
  std::function<fuse_question(std::size_t lane)> next;
  /// How much an answer counts for; also where a lane goes from there.
  std::function<std::uint64_t(std::size_t lane, const fuse_view&)> count;
};

struct measured {
  double per_second, p50, p99; // us
};

measured measure(fuse_channel& channel, const workload& work, const load_options& options) {
  struct under_way {
    std::size_t lane;
    steady::time_point since;
  };
  std::vector<under_way> by_ticket;
  std::vector<std::uint32_t> took; // ns
  took.reserve(std::size_t{1} << 22);
  std::uint64_t units = 0;

  auto submit = [&](std::size_t lane, steady::time_point now) {
    const ticket which = channel.submit(work.next(lane));
    if (which >= by_ticket.size())
      by_ticket.resize(which + 1);
    by_ticket[which] = {lane, now};
    if (options.kick_each)
      channel.kick();
  };
  const auto start = steady::now();
  const auto warm = start + std::chrono::milliseconds{200};
  const auto end =
      warm + std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(options.seconds));
  auto now = start;
  for (std::size_t lane = 0; lane < work.depth; ++lane)
    submit(lane, now);
  channel.kick();
  while (channel.queue().outstanding() > 0) {
    channel.wait_for_any();
    while (auto answer = channel.next()) {
      now = steady::now();
      const under_way was = by_ticket[answer->which];
      if (answer->error != 0)
        throw peer_error(work.name + " fails with " + std::to_string(answer->error));
      const std::uint64_t counted = work.count(was.lane, *answer);
      channel.release(answer->which);
      if (now >= end)
        continue;
      if (now >= warm) {
        units += counted;
        took.push_back(static_cast<std::uint32_t>(std::chrono::nanoseconds{now - was.since}.count()));
      }
      submit(was.lane, now);
    }
    channel.kick();
  }
  if (took.empty())
    throw peer_error(work.name + ": no answer in time");
  auto rank = [&](double share) {
    const auto place =
        took.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(took.size() - 1));
    std::nth_element(took.begin(), place, took.end());
    return *place / 1e3;
  };
  return {static_cast<double>(units) / options.seconds, rank(0.5), rank(0.99)};
}

// An answer that is as long as it has to be; anything else is not what was measured.
std::function<std::uint64_t(std::size_t, const fuse_view&)> counts_if(std::size_t size) {
  return [size](std::size_t, const fuse_view& answer) -> std::uint64_t {
    if (answer.body.size() != size)
      throw peer_error("an answer of " + std::to_string(answer.body.size()) + " bytes, not " +
                       std::to_string(size));
    return 1;
  };
}

/// What the rows work on: a file and a directory of the served tree.
class served_tree {
public:
  served_tree(fake_guest& guest, const load_options& options)
      : file_(guest.walk(options.file)), directory_(guest.walk(options.directory)),
        handle_(guest.open(file_.node)) {
    for (std::uint64_t at = 0; at < file_.attributes.size;
         at += mebibyte) // caches of all sorts are filled here
      guest.read(file_.node, handle_, at, mebibyte);
    for (const auto& entry : guest.list(directory_.node)) {
      if (entry.name == "." || entry.name == "..")
        continue;
      nodes_.push_back(guest.lookup(directory_.node, entry.name).as<fuse_entry_out>().nodeid);
      const auto bytes = std::as_bytes(std::span{entry.name.c_str(), entry.name.size() + 1});
      names_.emplace_back(bytes.begin(), bytes.end());
    }
    if (nodes_.empty() || file_.attributes.size < 8 * mebibyte)
      throw peer_error("the file has to have 8 MiB and the directory an entry");
  }

  /// Reads at random multiples of `size` in the first `span` bytes.
  workload reads(unsigned depth, std::uint32_t size, std::uint64_t span) {
    auto places = std::uniform_int_distribution<std::uint64_t>{0, span / size - 1};
    return {"read " + std::string{size == mebibyte ? "1 MiB" : "4 KiB"}, depth, "requests/s",
            [this, size, places](std::size_t) mutable {
              read_ = read_arguments(handle_, places(random_) * size, size);
              return fuse_question{FUSE_READ, file_.node, bytes_of(read_), size};
            },
            counts_if(size)};
  }
  workload attributes(unsigned depth) {
    return {"GETATTR", depth, "requests/s",
            [this](std::size_t) {
              return fuse_question{FUSE_GETATTR, nodes_[random_() % nodes_.size()], bytes_of(getattr_),
                                   sizeof(fuse_attr_out)};
            },
            counts_if(sizeof(fuse_attr_out))};
  }
  workload lookups(unsigned depth) {
    return {"LOOKUP", depth, "requests/s",
            [this](std::size_t) {
              return fuse_question{FUSE_LOOKUP, directory_.node, names_[random_() % names_.size()],
                                   sizeof(fuse_entry_out)};
            },
            counts_if(sizeof(fuse_entry_out))};
  }
  /// Each lane reads the directory from its start to its end, a page at a time, again and again.
  workload listings(unsigned depth, fake_guest& guest) {
    struct lane_state {
      std::uint64_t handle, offset;
    };
    std::vector<lane_state> lanes;
    for (unsigned lane = 0; lane < depth; ++lane)
      lanes.push_back({guest.open_directory(directory_.node), 0});
    const auto shared = std::make_shared<std::vector<lane_state>>(std::move(lanes));
    return {"READDIRPLUS", depth, "entries/s",
            [this, shared](std::size_t lane) {
              read_ = read_arguments((*shared)[lane].handle, (*shared)[lane].offset, 4096);
              return fuse_question{FUSE_READDIRPLUS, directory_.node, bytes_of(read_), 4096};
            },
            [shared](std::size_t lane, const fuse_view& answer) {
              std::uint64_t entries = 0;
              auto& offset = (*shared)[lane].offset;
              offset = 0;
              entry_view entry;
              for (auto left = answer.body; take_entry(left, entry); ++entries)
                offset = entry.next_offset;
              return entries;
            }};
  }
  std::uint64_t file_size() const { return file_.attributes.size; }

  static constexpr std::uint32_t mebibyte = 1 << 20;

private:
  found_node file_, directory_;
  std::uint64_t handle_;
  std::vector<std::uint64_t> nodes_;
  std::vector<std::vector<std::byte>> names_;
  std::minstd_rand random_{1};
  fuse_read_in read_{}; // of the request that is being built
  fuse_getattr_in getattr_{};
};

std::vector<workload> all_rows(served_tree& tree, fake_guest& guest) {
  return {tree.reads(1, 4096, tree.file_size()),
          tree.reads(16, 4096, tree.file_size()),
          tree.reads(64, 4096, tree.file_size()),
          tree.reads(4, served_tree::mebibyte, 8 * served_tree::mebibyte),
          tree.attributes(16),
          tree.lookups(16),
          tree.listings(16, guest)};
}

void run(const load_options& options) {
  guest_options machine;
  machine.queue_size = static_cast<std::uint16_t>(options.queue_size);
  machine.features = {options.event_idx, options.indirect};
  machine.channel.piece_size = options.piece_size;
  machine.vmm.waits_for_start = true; // the public nydusd loses a kick that comes too early
  fake_guest guest{options.socket, machine};
  guest.init();
  served_tree tree{guest, options};
  if (!options.json)
    std::printf("| row | depth | | per second | p50 us | p99 us |\n|---|---|---|---|---|---|\n");
  std::string separator = "[";
  for (const auto& work : all_rows(tree, guest)) {
    const std::string key = work.name + " depth " + std::to_string(work.depth);
    if (!options.rows.empty() &&
        std::find(options.rows.begin(), options.rows.end(), key) == options.rows.end())
      continue;
    const auto found = measure(guest.requests(), work, options);
    if (options.json)
      std::printf("%s{\"row\": \"%s\", \"unit\": \"%s\", \"per_second\": %.0f, \"p50\": %.1f, \"p99\": %.1f}",
                  std::exchange(separator, ",\n ").c_str(), key.c_str(), work.unit.c_str(), found.per_second,
                  found.p50, found.p99);
    else
      std::printf("| %s | %u | %s | %.0f | %.1f | %.1f |\n", work.name.c_str(), work.depth, work.unit.c_str(),
                  found.per_second, found.p50, found.p99);
    std::fflush(stdout);
  }
  if (options.json)
    std::printf("]\n");
}

} // namespace

int main(int count, char** words) {
  load_options options;
  CLI::App line{"Measures a vhost-user-fs back end from the VMM's side."};
  line.add_option("--sock", options.socket, "the back end's socket")->required();
  line.add_option("--file", options.file, "file to read, from the root of what is served; 8 MiB or more")
      ->required();
  line.add_option("--dir", options.directory, "directory to list and to look up in")->required();
  line.add_option("--seconds", options.seconds, "per row, after 0.2 s that do not count");
  line.add_option("--row", options.rows, "only this row, as in \"read 4 KiB depth 16\"; may be repeated");
  line.add_option("--queue-size", options.queue_size, "descriptors")->check(CLI::Range(8, 32768));
  line.add_option("--piece-size", options.piece_size, "bytes per descriptor of an answer's body")
      ->check(CLI::Range(512, 1 << 20));
  line.add_flag("!--no-event-idx", options.event_idx, "without VIRTIO_F_EVENT_IDX");
  line.add_flag("!--no-indirect", options.indirect, "without VIRTIO_F_INDIRECT_DESC");
  line.add_flag("--kick-each", options.kick_each, "a kick may follow each request, not each batch of them");
  line.add_option("--cpu", options.cpu, "stay on this CPU (default: where the kernel likes)");
  line.add_flag("--json", options.json, "a list of rows instead of a table");
  CLI11_PARSE(line, count, words);
  if (options.cpu >= 0) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(static_cast<unsigned>(options.cpu), &only);
    if (::sched_setaffinity(0, sizeof only, &only) != 0) {
      std::perror("--cpu");
      return 1;
    }
  }
  try {
    run(options);
  } catch (const std::exception& why) {
    std::fprintf(stderr, "virtqueue_load: %s\n", why.what());
    return 1;
  }
  return 0;
}
