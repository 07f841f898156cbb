// SPDX-License-Identifier: Apache-2.0
// FUSE requests on one virtqueue, laid out as Linux's virtio-fs driver does it: header, arguments, header of
// the answer and its body are descriptors of their own, and a body has one descriptor per page. Neighbours:
// driver_queue.hpp carries the chains; fake_guest.hpp knows what the requests mean.
#pragma once

#include <linux/fuse.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "test/fakes/driver_queue.hpp"

namespace nydus::fake {

/// Whether the device writes an answer: never (FORGET), if it likes (INTERRUPT), or always.
enum class reply { none, possible, due };

/// A request to send. `arguments` follow the header: the operation's own struct, then names with their NULs.
struct fuse_question {
  std::uint32_t opcode = 0;
  std::uint64_t node = FUSE_ROOT_ID;
  std::span<const std::byte> arguments{};
  std::uint32_t body_size = 0; ///< bytes that the answer may have after its header
  reply expected = reply::due;
};

/// Names a request that is on its way, or its answer until that is released. Used again afterwards.
using ticket = std::uint32_t;

/// An answer as it lies in guest memory, good until its ticket is released.
struct fuse_view {
  ticket which = 0;
  int error = 0;                     ///< positive errno, 0 if none
  std::span<const std::byte> body{}; ///< as long as the answer's header says
  std::uint32_t used_length = 0;     ///< as the used ring says
};

/// An answer that was copied out.
struct fuse_answer {
  int error = 0;
  std::vector<std::byte> body;
  std::uint32_t used_length = 0;

  /// The body's struct; throws peer_error if there is an error or too little.
  template <class T>
  T as() const {
    if (error != 0 || body.size() < sizeof(T))
      throw peer_error("an answer with error " + std::to_string(error) + " and " +
                       std::to_string(body.size()) + " bytes, where " + std::to_string(sizeof(T)) +
                       " were expected");
    T value;
    std::memcpy(&value, body.data(), sizeof value);
    return value;
  }
};

struct channel_options {
  /// Bytes per descriptor of a body. A page is what guests do whose page cache has no larger folios.
  std::uint32_t piece_size = 4096;
  std::chrono::milliseconds patience{10000};
};

/// Thread: one. Answers that lie about `unique` or their length throw peer_error.
class fuse_channel {
public:
  fuse_channel(guest_memory& memory, driver_queue& queue, channel_options options = {});

  /// Puts a request on the queue; the device is told by kick(). Throws peer_error if the queue is full.
  ticket submit(const fuse_question& question);
  bool kick() { return queue_.kick(); }
  /// The next answer that has come, in the order in which they came.
  std::optional<fuse_view> next();
  /// Sleeps until next() has one; throws peer_error after `patience`.
  void wait_for_any();
  /// Gives back the memory of an answer.
  void release(ticket which);

  /// Waits for that answer, copies it and releases it. Other answers stay for next() or their own wait().
  fuse_answer wait(ticket which);
  /// True if that answer is there.
  bool finished(ticket which);
  fuse_answer call(const fuse_question& question);

  /// The request's number on the wire, by which INTERRUPT names it.
  std::uint64_t unique_of(ticket which) const { return slots_[which].unique; }
  driver_queue& queue() noexcept { return queue_; }

private:
  /// One request's memory: a page for headers and arguments, and pages for the body.
  struct slot {
    guest_address page = 0;
    guest_address body = 0;
    std::uint32_t body_capacity = 0;
    std::uint32_t body_size = 0; // of the present request
    std::uint64_t unique = 0;
    reply expected = reply::due;
    bool finished = false;
    std::uint32_t used_length = 0;
  };
  ticket acquire(std::uint32_t body_size);
  bool take_one();
  fuse_view view(ticket which) const;

  guest_memory& memory_;
  driver_queue& queue_;
  channel_options options_;
  std::vector<slot> slots_;
  std::map<std::uint32_t, std::vector<ticket>> free_; // by body capacity
  std::deque<ticket> arrived_;                        // finished, not yet given out
  std::vector<segment> readable_, writable_;          // of the chain that is being built
  std::uint64_t next_unique_ = 2;
};

} // namespace nydus::fake
