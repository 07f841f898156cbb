// SPDX-License-Identifier: Apache-2.0
// A whole guest beside its VMM, in one object: memory, queues, the vhost-user conversation, and the FUSE
// requests that a Linux guest sends. For tests, for fuzzing and for bench/virtqueue_load.
// Neighbours: everything in its parts can be reached, so that a test may break what it likes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "test/fakes/fake_vmm.hpp"
#include "test/fakes/fuse_channel.hpp"

namespace nydus::fake {

struct guest_options {
  std::size_t memory_size = std::size_t{64} << 20; ///< bytes above the PC's first 640 KiB
  unsigned request_queues = 1;                     ///< beside the hiprio queue
  std::uint16_t queue_size = 1024;
  queue_features features{};
  bool inflight = false; ///< ask for the memory that lets a back end resume; QEMU 7.2 does not
  vmm_options vmm{};
  channel_options channel{};
};

/// One record of a READDIRPLUS answer, as it lies there.
struct entry_view {
  std::string_view name;
  std::uint64_t node = 0; ///< 0 for "." and ".."
  std::uint64_t next_offset = 0;
};

/// The same, copied out.
struct directory_entry {
  std::string name;
  std::uint64_t node = 0;
  std::uint64_t next_offset = 0;
};

/// A file as a walk finds it.
struct found_node {
  std::uint64_t node = FUSE_ROOT_ID;
  fuse_attr attributes{};
};

/// Thread: one. All calls wait for their answers unless they return a ticket; what a server may not do throws
/// peer_error, while an errno is an answer like another.
class fake_guest {
public:
  /// Connects, negotiates and starts all queues; FUSE's INIT is up to the caller.
  explicit fake_guest(const std::string& socket_path, guest_options options = {});

  // -- FUSE ---

  fuse_init_out init();
  fuse_answer lookup(std::uint64_t parent, std::string_view name);
  fuse_answer getattr(std::uint64_t node);
  fuse_answer statfs();
  fuse_answer readlink(std::uint64_t node);
  /// The handle; 0 where the server has no OPEN (ENOSYS), as Linux understands it.
  std::uint64_t open(std::uint64_t node);
  std::uint64_t open_directory(std::uint64_t node);
  fuse_answer read(std::uint64_t node, std::uint64_t handle, std::uint64_t offset, std::uint32_t size);
  /// One READDIRPLUS; empty at the end.
  std::vector<directory_entry> readdirplus(std::uint64_t node, std::uint64_t handle, std::uint64_t offset,
                                           std::uint32_t size = 4096);
  /// All entries, "." and ".." included.
  std::vector<directory_entry> list(std::uint64_t node);
  /// On the hiprio queue; returns when the device gave the buffer back. The used length, which has to be 0.
  std::uint32_t forget(std::uint64_t node, std::uint64_t lookups);
  std::uint32_t batch_forget(std::span<const fuse_forget_one> nodes);
  /// Asks for the request with that number to be given up.
  fuse_answer interrupt(std::uint64_t unique);
  fuse_answer destroy();
  /// LOOKUP from the root along `path`; throws peer_error with the errno where it ends.
  found_node walk(std::string_view path);

  // -- life and death ---

  /// Starts over on a new connection with the same memory and rings, as QEMU does for a chardev with
  /// `reconnect`: `bases` are what SET_VRING_BASE says; empty: each queue's used index, which is what QEMU
  /// says.
  void reconnect(std::span<const std::uint16_t> bases = {});
  /// The driver stops and starts again on the same connection: a reboot. The queues' indices before it.
  std::vector<std::uint16_t> reboot();

  // -- parts ---

  fake_vmm& vmm() noexcept { return *vmm_; }
  guest_memory& memory() noexcept { return memory_; }
  fuse_channel& hiprio() noexcept { return *channels_.front(); }
  /// `which` counts from 0.
  fuse_channel& requests(unsigned which = 0) { return *channels_.at(which + 1); }
  driver_queue& queue(unsigned index) { return *queues_.at(index); }
  queue_list queues() const noexcept { return queue_pointers_; }
  const inflight_area& inflight() const noexcept { return inflight_; }

private:
  void make_channels();

  guest_options options_;
  std::string socket_path_;
  guest_memory memory_;
  std::vector<std::unique_ptr<driver_queue>> queues_; // by index; 0 is hiprio
  std::vector<driver_queue*> queue_pointers_;
  std::vector<std::unique_ptr<fuse_channel>> channels_; // by index
  std::unique_ptr<fake_vmm> vmm_;
  inflight_area inflight_;
};

/// READ's arguments, for who submits it without waiting.
fuse_read_in read_arguments(std::uint64_t handle, std::uint64_t offset, std::uint32_t size);

/// Cuts the first record off a READDIRPLUS answer; false at its end. Throws peer_error where a record leaves
/// it.
bool take_entry(std::span<const std::byte>& body, entry_view& entry);

} // namespace nydus::fake
