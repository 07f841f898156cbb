// SPDX-License-Identifier: Apache-2.0
#include "actors/rafs_mount.hpp"

#include <algorithm>
#include <cerrno>

#include "actors/chunk_messages.hpp"
#include "actors/chunk_needs.hpp"
#include "actors/file_read_counters.hpp"
#include "actors/fs_request.hpp"
#include "actors/hot_message.hpp"
#include "actors/lasting_actor.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "actors/metadata_answers.hpp"
#include "actors/read_ahead.hpp"
#include "actors/waiting_reads.hpp"

namespace nydus {

namespace {

// Bytes that sequential readers find fetched ahead of them.
constexpr std::uint64_t read_ahead_window = 8 << 20;

/// The operation's place in the API's counters; release stands for what has none.
file_operation operation_of(std::uint32_t opcode) noexcept {
  switch (opcode) {
  case FUSE_LOOKUP:
    return file_operation::lookup;
  case FUSE_GETATTR:
    return file_operation::getattr;
  case FUSE_READLINK:
    return file_operation::readlink;
  case FUSE_READ:
    return file_operation::read;
  case FUSE_STATFS:
    return file_operation::statfs;
  case FUSE_GETXATTR:
    return file_operation::getxattr;
  case FUSE_LISTXATTR:
    return file_operation::listxattr;
  case FUSE_READDIR:
    return file_operation::readdir;
  case FUSE_READDIRPLUS:
    return file_operation::readdirplus;
  default:
    return file_operation::release;
  }
}

class rafs_mount : public lasting_actor {
public:
  rafs_mount(caf::actor_config& config, rafs_mount_parts parts)
      : lasting_actor(config, "rafs_mount", parts.mountpoint), parts_(std::move(parts)), needs_(parts_),
        ahead_(read_ahead_window), waiting_(parts_.settings->limits, parts_.counters),
        files_(*parts_.settings) {}

  caf::behavior make_behavior() override {
    return {
        [this](const chunks_ready& ready) { settle(ready); },
        [this](const list_file_counters& asked) { return files_.list(asked.latest_only); },
        [this](const leave_mount&) { leave(); },
    };
  }

private:
  bool take_hot(caf::mailbox_element& message) override {
    auto* request = message_as<fs_request>(message);
    if (request != nullptr)
      answer_or_fail(*request, [&] { serve(*request); });
    return request != nullptr;
  }

  /// Calls `step`, which answers `request` or keeps it. If it throws first, the answer is EIO.
  template <class Step>
  void answer_or_fail(fs_request& request, Step step) {
    is_owed_ = true;
    try {
      step();
    } catch (...) {
      if (is_owed_ && request.port)
        fail(request, EIO);
      throw;
    }
  }

  void start_anew(const caf::type_erased_tuple&) noexcept override { fail_waiting(); }

  void fail_waiting() {
    for (const auto& request : waiting_.take_all())
      fail(request, EIO);
  }

  const image& contents() const noexcept { return *parts_.contents; }

  void leave() {
    fail_waiting();
    quit();
  }

  // -- answers ---------------------------------------------------------------

  /// The request's times; a request that had to wait for nothing was looked up until now.
  static request_times times_of(const fs_request& request) noexcept {
    auto times = request.times;
    if (times.mounted == 0)
      times.mounted = now_nanoseconds();
    return times;
  }

  template <class Body>
  void answer(const fs_request& request, Body body) {
    add(parts_.counters->hits[static_cast<std::size_t>(operation_of(request.asked.opcode))]);
    is_owed_ = false;
    hand_on(request.port, context(), fs_reply{request.slot, 0, times_of(request), std::move(body)});
  }

  void fail(const fs_request& request, int error) {
    add(parts_.counters->errors[static_cast<std::size_t>(operation_of(request.asked.opcode))]);
    is_owed_ = false;
    hand_on(request.port, context(), fs_reply{request.slot, error, times_of(request), {}});
  }

  void fail(const fs_request& request, const failure& why) {
    if (why.code == errc::corrupt)
      log_line(log_level::error, why.detail);
    fail(request, to_errno(why.code));
  }

  void serve(fs_request& request) {
    if (request.asked.opcode == FUSE_READ)
      return read(request);
    auto body = answer_of_metadata(request.asked, parts_);
    if (!body)
      return fail(request, body.error());
    std::visit([&](auto& bytes) { answer(request, std::move(bytes)); }, *body);
  }

  // -- reading ---------------------------------------------------------------

  void read(fs_request& request) {
    const auto inode = inode_of_node(parts_, request.asked.nodeid);
    const auto size = std::min<std::uint32_t>(request.asked.size, fuse::max_read);
    slices_.clear();
    if (const auto cut = contents().slices(inode, request.asked.offset, size, slices_); !cut)
      return fail(request, cut.error());
    if (needs_.are_servable(slices_))
      return serve_hit(request, inode);
    if (!waiting_.has_room(size))
      return waiting_.queue(std::move(request));
    // Readers of the backend set presence bits at any time: the last chunk may have come since we looked.
    auto needs = needs_.of_read(inode, request.asked.offset, slices_);
    if (needs.empty())
      return serve_hit(request, inode);
    add(parts_.cache_seen->reads);
    add(parts_.cache_seen->partial_hits);
    wait_for_chunks(request, inode, std::move(needs));
  }

  void serve_hit(fs_request& request, inode_number inode) {
    add(parts_.cache_seen->reads);
    add(parts_.cache_seen->whole_hits);
    if (request.times.mounted == 0)
      request.times.mounted = now_nanoseconds();
    answer_read(request, slices_, nullptr);
    fetch_ahead(inode, request.asked.offset);
  }

  void wait_for_chunks(fs_request& request, inode_number inode, chunk_needs::by_blob needs) {
    const auto offset = request.asked.offset;
    const fetch_cause cause{request.trace, parts_.number};
    request.times.asked = now_nanoseconds();
    if (request.times.mounted == 0)
      request.times.mounted = request.times.asked;
    waiting_.begin(std::move(request), slices_);
    for (auto& [blob_index, need] : needs) {
      need.ticket = waiting_.ask(blob_index);
      ask(blob_index, std::move(need), cause);
    }
    fetch_ahead(inode, offset);
  }

  void fetch_ahead(inode_number inode, std::uint64_t offset) {
    std::uint64_t size = 0;
    for (const auto& slice : slices_)
      size += slice.size;
    if (size == 0 || parts_.settings->batch_size == 0)
      return;
    const auto next = ahead_.after_read(static_cast<std::uint64_t>(inode), offset, offset + size);
    if (next.size == 0)
      return;
    for (auto& [blob_index, need] : needs_.of_range(inode, next.offset, next.size))
      ask(blob_index, std::move(need), {{}, parts_.number});
  }

  void ask(std::uint32_t blob_index, need_chunks need, fetch_cause cause) {
    need.asker = caf::actor_cast<caf::actor>(this);
    need.cause = cause;
    send(parts_.blobs[blob_index].cache, std::move(need));
  }

  void settle(const chunks_ready& ready) {
    auto ended = waiting_.settle(ready);
    if (!ended)
      return;
    ended->request.times.ready = now_nanoseconds();
    answer_or_fail(ended->request, [&] { answer_read(ended->request, ended->slices, &*ended); });
    while (auto next = waiting_.next_with_room())
      answer_or_fail(*next, [&] { read(*next); });
  }

  /// `waited`: what a read that had to wait has got; null if all was present.
  void answer_read(const fs_request& request, const std::vector<chunk_slice>& slices,
                   const waiting_read* waited) {
    std::vector<extent> extents;
    if (slices.size() > 1)
      extents.reserve(slices.size());
    std::uint64_t total = 0;
    for (const auto& slice : slices) {
      extent part;
      part.size = slice.size;
      total += slice.size;
      if (!slice.is_hole) {
        const auto* settled = waited == nullptr ? nullptr : waited->settled_of(slice.source);
        if (settled != nullptr && settled->why != errc::none)
          return fail_read(request, to_errno(settled->why));
        if (settled != nullptr && settled->bytes) {
          part.buffer = settled->bytes;
          part.offset = slice.offset;
        } else {
          part.file = parts_.blobs[slice.source.blob_index].files->file();
          part.offset = slice.source.uncompressed_offset + slice.offset;
        }
      }
      if (slices.size() == 1) { // most are: no list then
        count_read(request, total);
        return answer(request, std::move(part));
      }
      extents.push_back(std::move(part));
    }
    count_read(request, total);
    answer(request, std::move(extents));
  }

  // -- counters --------------------------------------------------------------

  void count_read(const fs_request& request, std::uint64_t size) {
    auto& counters = *parts_.counters;
    const auto& times = request.times;
    const auto until = times.ready != 0 ? times.ready : times.mounted;
    const auto micros = times.received == 0 ? 0 : (until - times.received) / 1000;
    add(counters.data_read, size);
    add(counters.read_sizes[size_bucket(size)]);
    add(counters.read_latencies[read_latency_bucket(micros)]);
    add(counters.latency_total[static_cast<std::size_t>(file_operation::read)], micros);
    files_.count(static_cast<std::uint64_t>(inode_of_node(parts_, request.asked.nodeid)), size);
  }

  void fail_read(const fs_request& request, int error) {
    files_.count_failure(static_cast<std::uint64_t>(inode_of_node(parts_, request.asked.nodeid)));
    fail(request, error);
  }

  rafs_mount_parts parts_;
  chunk_needs needs_;
  read_ahead ahead_;
  waiting_reads waiting_;
  file_read_counters files_;
  std::vector<chunk_slice> slices_; // of the read in hand
  bool is_owed_ = false;            // the answer to the request in hand
};

} // namespace

caf::actor spawn_rafs_mount(caf::actor_system& system, rafs_mount_parts parts) {
  return system.spawn<rafs_mount, caf::lazy_init>(std::move(parts));
}

} // namespace nydus
