// SPDX-License-Identifier: Apache-2.0
#include "actors/rafs_mount.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>

#include "actors/attribute_reply.hpp"
#include "actors/chunk_messages.hpp"
#include "actors/fs_request.hpp"
#include "actors/hot_message.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "actors/observed_actor.hpp"
#include "actors/read_ahead.hpp"
#include "protocol/fuse/dirent_packer.hpp"

namespace nydus {

namespace {

// Bytes that sequential readers find fetched ahead of them.
constexpr std::uint64_t read_ahead_window = 8 << 20;
// Files looked at for neighbours of a small file's chunk.
constexpr int most_neighbours = 256;

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

/// A read that waits for chunks.
struct pending_read {
  fs_request request;
  std::vector<chunk_slice> slices;
  std::map<std::pair<std::uint32_t, std::uint64_t>, settled_chunk> settled; // by blob and compressed offset
  std::map<std::uint64_t, std::uint32_t> asked;                             // sub-ticket -> blob
};

class rafs_mount : public observed_actor {
public:
  rafs_mount(caf::actor_config& config, rafs_mount_parts parts)
      : observed_actor(config, "rafs_mount", parts.mountpoint), parts_(std::move(parts)),
        ahead_(read_ahead_window) {}

  caf::behavior make_behavior() override {
    return {
        [this](const chunks_ready& ready) { settle(ready); },
        [this](const list_file_counters& asked) { return file_counters_of(asked); },
        [this](const leave_mount&) { leave(); },
    };
  }

private:
  bool take_hot(caf::mailbox_element& message) override {
    auto* request = message_as<fs_request>(message);
    if (request != nullptr)
      serve(*request);
    return request != nullptr;
  }

  const image& contents() const noexcept { return *parts_.contents; }

  inode_number inode_of_request(const fs_request& request) const noexcept {
    if (is_shared_node(request))
      return contents().description().root;
    return inode_number{inode_of(request.asked.nodeid)};
  }

  void leave() {
    for (auto& [ticket, pending] : pending_)
      fail(pending.request, EIO);
    for (auto& request : queued_)
      fail(request, EIO);
    pending_.clear();
    queued_.clear();
    show_waiting();
    quit();
  }

  /// True for the node that the mounts before and after this one have too.
  bool is_shared_node(const fs_request& request) const noexcept {
    return parts_.is_root && request.asked.nodeid == FUSE_ROOT_ID;
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
    hand_on(request.port, context(), fs_reply{request.slot, 0, times_of(request), std::move(body)});
  }

  void fail(const fs_request& request, int error) {
    add(parts_.counters->errors[static_cast<std::size_t>(operation_of(request.asked.opcode))]);
    hand_on(request.port, context(), fs_reply{request.slot, error, times_of(request), {}});
  }

  void fail(const fs_request& request, const failure& why) {
    if (why.code == errc::corrupt)
      log_line(log_level::error, why.detail);
    fail(request, to_errno(why.code));
  }

  // -- operations ------------------------------------------------------------

  void serve(fs_request& request) {
    switch (request.asked.opcode) {
    case FUSE_LOOKUP:
      return lookup(request);
    case FUSE_GETATTR:
      return get_attributes(request);
    case FUSE_READLINK:
      return read_link(request);
    case FUSE_READ:
      return read(request);
    case FUSE_STATFS:
      return statistics(request);
    case FUSE_GETXATTR:
      return get_xattr(request);
    case FUSE_LISTXATTR:
      return list_xattr(request);
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
      return read_directory(request);
    default:
      return fail(request, ENOSYS);
    }
  }

  void lookup(const fs_request& request) {
    const auto inode = inode_of_request(request);
    result<inode_attributes> found = failure{};
    if (request.asked.name == ".")
      found = contents().attributes(inode);
    else if (request.asked.name == "..") {
      const auto parent = contents().parent(inode);
      found = parent ? contents().attributes(*parent) : result<inode_attributes>{parent.error()};
    } else
      found = contents().lookup(inode, request.asked.name);
    if (found)
      return answer(request, inline_body::of(entry_reply(attributes_in(parts_, *found), fuse::forever)));
    // What the root lacks is not remembered where the mount is the root of all: the next image there has the
    // same node id.
    if (found.error().code == errc::not_found)
      return answer(request, inline_body::of(no_entry_reply(is_shared_node(request) ? 0 : fuse::forever)));
    fail(request, found.error());
  }

  void get_attributes(const fs_request& request) {
    const auto found = contents().attributes(inode_of_request(request));
    if (!found)
      return fail(request, found.error());
    answer(request, inline_body::of(attributes_reply(attributes_in(parts_, *found), fuse::forever)));
  }

  void read_link(const fs_request& request) {
    const auto target = contents().symlink_target(inode_of_request(request));
    if (!target)
      return fail(request, target.error());
    const auto bytes = std::as_bytes(std::span{*target});
    answer(request, std::vector<std::byte>(bytes.begin(), bytes.end()));
  }

  void statistics(const fs_request& request) {
    fuse_statfs_out out{};
    out.st.bsize = 512;
    out.st.frsize = 512;
    out.st.namelen = 255;
    out.st.files = contents().description().inode_count;
    answer(request, inline_body::of(out));
  }

  bool serves_xattrs() const noexcept {
    return parts_.settings->enable_xattr || contents().description().has_xattrs;
  }

  void get_xattr(const fs_request& request) {
    // Never ENOSYS: the kernel would stop asking for every mount of the connection.
    if (!serves_xattrs())
      return fail(request, ENODATA);
    const auto value = contents().xattr(inode_of_request(request), request.asked.name);
    if (!value)
      return fail(request, value.error());
    answer_sized(request, std::as_bytes(std::span{*value}));
  }

  void list_xattr(const fs_request& request) {
    std::vector<char> names;
    if (serves_xattrs()) {
      const auto listed =
          contents().list_xattrs(inode_of_request(request), [&](std::string_view name, std::string_view) {
            names.insert(names.end(), name.begin(), name.end());
            names.push_back('\0');
          });
      if (!listed)
        return fail(request, listed.error());
    }
    answer_sized(request, std::as_bytes(std::span{names}));
  }

  /// The bytes, their number if that was asked (size 0), or ERANGE.
  void answer_sized(const fs_request& request, std::span<const std::byte> bytes) {
    if (request.asked.size == 0) {
      fuse_getxattr_out out{};
      out.size = static_cast<std::uint32_t>(bytes.size());
      return answer(request, inline_body::of(out));
    }
    if (bytes.size() > request.asked.size)
      return fail(request, ERANGE);
    answer(request, std::vector<std::byte>(bytes.begin(), bytes.end()));
  }

  void read_directory(const fs_request& request) {
    const bool with_attributes = request.asked.opcode == FUSE_READDIRPLUS;
    const auto inode = inode_of_request(request);
    const auto self = contents().attributes(inode);
    const auto parent = contents().parent(inode);
    if (!self || !parent)
      return fail(request, self ? parent.error() : self.error());
    fuse::dirent_packer packer{request.asked.size, with_attributes};
    // Cursor 0 is ".", 1 is "..", k + 2 is the image's cursor k.
    auto cursor = request.asked.offset;
    const fuse_entry_out none{};
    bool fits = true;
    if (cursor == 0)
      fits = packer.add(".", node_id_of(parts_, inode), ++cursor, S_IFDIR >> 12, none);
    if (fits && cursor == 1)
      fits = packer.add("..", node_id_of(parts_, *parent), ++cursor, S_IFDIR >> 12, none);
    if (fits) {
      const auto listed = contents().list(inode, cursor - 2, [&](const directory_entry& entry) {
        const auto attributes = attributes_in(parts_, entry.attributes);
        return packer.add(entry.name, attributes.ino, entry.next_offset + 2, entry.attributes.mode >> 12,
                          entry_reply(attributes, fuse::forever));
      });
      if (!listed)
        return fail(request, listed.error());
    }
    answer(request, std::move(packer).take());
  }

  // -- reading ---------------------------------------------------------------

  bool is_servable(const chunk& wanted) const noexcept {
    const auto& files = parts_.blobs[wanted.blob_index].files;
    return files && files->is_servable(wanted);
  }

  void read(fs_request& request) {
    const auto inode = inode_of_request(request);
    const auto size = std::min<std::uint32_t>(request.asked.size, fuse::max_read);
    slices_.clear();
    if (const auto cut = contents().slices(inode, request.asked.offset, size, slices_); !cut)
      return fail(request, cut.error());
    const bool is_whole_hit = std::all_of(slices_.begin(), slices_.end(), [&](const chunk_slice& s) {
      return s.is_hole || is_servable(s.source);
    });
    if (!is_whole_hit && !may_wait(size)) {
      // Bare it waits at little cost, and in its own mount's queue.
      queued_.push_back(std::move(request));
      show_waiting();
      return;
    }
    add(parts_.cache_seen->reads);
    if (request.times.mounted == 0)
      request.times.mounted = now_nanoseconds();
    if (is_whole_hit) {
      add(parts_.cache_seen->whole_hits);
      answer_read(request, slices_, nullptr);
      fetch_ahead(inode, request.asked.offset);
      return;
    }
    add(parts_.cache_seen->partial_hits);
    wait_for_chunks(request, inode);
  }

  /// Whether one more read of that size may wait for chunks.
  bool may_wait(std::uint64_t size) const noexcept {
    const auto& limits = parts_.settings->limits;
    return pending_.empty() ||
           (pending_.size() < limits.mount_reads && waiting_bytes_ + size <= limits.mount_bytes);
  }

  /// After a read has ended: as many of the queued ones as may wait now, in their order.
  void take_queued() {
    while (!queued_.empty() && may_wait(queued_.front().asked.size)) {
      auto next = std::move(queued_.front());
      queued_.pop_front();
      read(next);
    }
  }

  void show_waiting() noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;
    parts_.counters->waiting_reads.store(pending_.size(), relaxed);
    parts_.counters->waiting_bytes.store(waiting_bytes_, relaxed);
    parts_.counters->queued_reads.store(queued_.size(), relaxed);
  }

  fetch_cause cause_of(trace_id trace) const { return {trace, parts_.number}; }

  void wait_for_chunks(fs_request& request, inode_number inode) {
    std::map<std::uint32_t, need_chunks> needs; // by blob
    for (const auto& slice : slices_)
      if (!slice.is_hole && !is_servable(slice.source))
        needs[slice.source.blob_index].wanted.push_back(slice.source);
    auto& last = slices_.back();
    if (!last.is_hole && needs.count(last.source.blob_index) != 0)
      add_neighbours(inode, request.asked.offset, last.source, needs[last.source.blob_index]);
    const auto ticket = ++last_ticket_;
    auto& pending = pending_[ticket];
    request.times.asked = now_nanoseconds();
    pending.request = std::move(request);
    pending.slices = slices_;
    waiting_bytes_ += pending.request.asked.size;
    for (auto& [blob_index, need] : needs) {
      need.asker = caf::actor_cast<caf::actor>(this);
      need.ticket = ++last_ticket_;
      need.cause = cause_of(pending.request.trace);
      pending.asked.emplace(need.ticket, blob_index);
      pending_by_part_.emplace(need.ticket, ticket);
      send(parts_.blobs[blob_index].cache, std::move(need));
    }
    show_waiting();
    fetch_ahead(inode, pending.request.asked.offset);
  }

  /// Chunks that lie right behind `last` in its blob, from this file and the next ones, as far as one read
  /// may merge.
  void add_neighbours(inode_number inode, std::uint64_t offset, const chunk& last, need_chunks& need) {
    const auto& source = contents().blobs()[last.blob_index];
    std::uint64_t budget = parts_.settings->batch_size;
    for (const auto& wanted : need.wanted)
      budget -= std::min(budget, stored_size(wanted, source));
    auto end = last.compressed_offset + stored_size(last, source);
    auto number = static_cast<std::uint64_t>(inode);
    auto from = offset;
    for (int files = 0; files < most_neighbours && budget > 0; ++files, ++number, from = 0) {
      neighbours_.clear();
      if (number > contents().description().highest_inode ||
          !contents().slices(inode_number{number}, from, parts_.settings->batch_size, neighbours_))
        continue; // no file: a directory between the files of another
      for (const auto& next : neighbours_) {
        if (next.is_hole || next.source.blob_index != last.blob_index || next.source.compressed_offset < end)
          continue; // shared with an earlier file
        const auto size = stored_size(next.source, source);
        if (next.source.compressed_offset != end || size > budget)
          return;
        need.ahead.push_back(next.source);
        budget -= size;
        end += size;
      }
    }
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
    neighbours_.clear();
    if (!contents().slices(inode, next.offset, next.size, neighbours_))
      return;
    std::map<std::uint32_t, need_chunks> needs;
    for (const auto& slice : neighbours_)
      if (!slice.is_hole && parts_.blobs[slice.source.blob_index].files && !is_servable(slice.source))
        needs[slice.source.blob_index].ahead.push_back(slice.source);
    for (auto& [blob_index, need] : needs) {
      need.asker = caf::actor_cast<caf::actor>(this);
      need.cause = cause_of({});
      send(parts_.blobs[blob_index].cache, std::move(need));
    }
  }

  void settle(const chunks_ready& ready) {
    const auto part = pending_by_part_.find(ready.ticket);
    if (part == pending_by_part_.end())
      return;
    const auto found = pending_.find(part->second);
    pending_by_part_.erase(part);
    auto& pending = found->second;
    const auto blob_index = pending.asked.at(ready.ticket);
    pending.asked.erase(ready.ticket);
    for (const auto& settled : ready.chunks)
      pending.settled.emplace(std::pair{blob_index, settled.compressed_offset}, settled);
    if (!pending.asked.empty())
      return;
    auto finished = std::move(pending);
    pending_.erase(found);
    waiting_bytes_ -= finished.request.asked.size;
    finished.request.times.ready = now_nanoseconds();
    answer_read(finished.request, finished.slices, &finished);
    take_queued();
    show_waiting();
  }

  /// `waited`: the chunks that a read had to wait for; null if all were present.
  void answer_read(const fs_request& request, const std::vector<chunk_slice>& slices,
                   const pending_read* waited) {
    std::vector<extent> extents;
    if (slices.size() > 1)
      extents.reserve(slices.size());
    std::uint64_t total = 0;
    for (const auto& slice : slices) {
      extent part;
      part.size = slice.size;
      total += slice.size;
      if (!slice.is_hole) {
        const settled_chunk* settled = nullptr;
        if (waited != nullptr)
          if (const auto found =
                  waited->settled.find({slice.source.blob_index, slice.source.compressed_offset});
              found != waited->settled.end())
            settled = &found->second;
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
    auto* file = counters_of_file(request);
    if (file == nullptr)
      return;
    if (parts_.settings->latest_read_files)
      latest_.insert(file->inode);
    if (file->reads == 0) {
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now);
      file->first_access_seconds = static_cast<std::uint64_t>(seconds.count());
      file->first_access_nanoseconds = static_cast<std::uint32_t>(
          std::chrono::duration_cast<std::chrono::nanoseconds>(now - seconds).count());
    }
    ++file->operations;
    ++file->reads;
    file->data_read += size;
    ++file->read_sizes[size_bucket(size)];
  }

  void fail_read(const fs_request& request, int error) {
    if (auto* file = counters_of_file(request)) {
      ++file->operations;
      ++file->read_errors;
    }
    fail(request, error);
  }

  /// Null if no setting asks for counters per file.
  file_counters* counters_of_file(const fs_request& request) {
    const auto& settings = *parts_.settings;
    if (!settings.iostats_files && !settings.access_pattern && !settings.latest_read_files)
      return nullptr;
    const auto inode = static_cast<std::uint64_t>(inode_of_request(request));
    auto& file = files_[inode];
    file.inode = inode;
    return &file;
  }

  file_counter_list file_counters_of(const list_file_counters& asked) {
    file_counter_list list;
    for (const auto& [inode, counters] : files_)
      list.files.push_back(counters);
    if (asked.latest_only) {
      list.latest.assign(latest_.begin(), latest_.end());
      latest_.clear();
    }
    return list;
  }

  rafs_mount_parts parts_;
  read_ahead ahead_;
  std::vector<chunk_slice> slices_;                                  // of the read in hand
  std::vector<chunk_slice> neighbours_;                              // kept for its memory
  std::unordered_map<std::uint64_t, pending_read> pending_;          // by ticket
  std::unordered_map<std::uint64_t, std::uint64_t> pending_by_part_; // need_chunks' ticket -> ticket
  std::deque<fs_request> queued_;                                    // reads beyond the limits
  std::uint64_t waiting_bytes_ = 0;                                  // of pending_
  std::uint64_t last_ticket_ = 0;
  std::map<std::uint64_t, file_counters> files_; // if the settings ask
  std::set<std::uint64_t> latest_;
};

std::uint32_t mapped(const id_mapping& owners, std::uint32_t id) noexcept {
  return id >= owners.internal && id - owners.internal < owners.range
             ? owners.external + (id - owners.internal)
             : id;
}

} // namespace

std::uint64_t node_id_of(const rafs_mount_parts& parts, inode_number inode) noexcept {
  if (parts.is_root && inode == parts.contents->description().root)
    return FUSE_ROOT_ID;
  return make_node_id(parts.number, static_cast<std::uint64_t>(inode));
}

fuse_attr attributes_in(const rafs_mount_parts& parts, const inode_attributes& shown) noexcept {
  auto attributes = to_fuse(shown, node_id_of(parts, shown.number));
  attributes.uid = mapped(parts.settings->owners, attributes.uid);
  attributes.gid = mapped(parts.settings->owners, attributes.gid);
  return attributes;
}

caf::actor spawn_rafs_mount(caf::actor_system& system, rafs_mount_parts parts) {
  return system.spawn<rafs_mount, caf::lazy_init>(std::move(parts));
}

} // namespace nydus
