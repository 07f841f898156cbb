// SPDX-License-Identifier: Apache-2.0
#include "actors/prefetcher.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <unordered_set>

#include "actors/chunk_messages.hpp"
#include "actors/lasting_actor.hpp"
#include "actors/message_types.hpp"
#include "actors/route_table.hpp"

namespace nydus {

namespace {

std::uint64_t now_millis() noexcept {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

/// The inode at an absolute path; not_found if a part is missing.
result<inode_number> resolve(const image& contents, const std::string& path) {
  auto here = contents.description().root;
  for (const auto& part : split_path(path)) {
    auto found = contents.lookup(here, part);
    if (!found)
      return found.error();
    here = found->number;
  }
  return here;
}

class prefetcher : public lasting_actor {
public:
  prefetcher(caf::actor_config& config, prefetch_parts parts)
      : lasting_actor(config, "prefetcher", parts.mountpoint), parts_(std::move(parts)) {}

  /// Always on the worker pool, also if a reactor's actor answers: a step may list a whole directory.
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    lasting_actor::enqueue(std::move(what), nullptr);
  }

  caf::behavior make_behavior() override {
    parts_.seen->prefetch_began = now_millis();
    parts_.seen->prefetch_workers = parts_.settings.threads;
    for (const auto& path : parts_.paths)
      if (auto inode = resolve(*parts_.contents, path))
        todo_.push_back(*inode);
    if (parts_.paths.empty())
      for (const auto inode : parts_.contents->prefetch_list())
        todo_.push_back(inode);
    if (parts_.settings.everything)
      todo_.push_back(parts_.contents->description().root);
    step();
    return {
        [this](const prefetched& batch) { rest(batch); },
        [this](const go_on_atom&) { step(); },
    };
  }

private:
  using go_on_atom = caf::atom_constant<caf::atom("go_on")>;

  void start_anew(const caf::type_erased_tuple&) noexcept override { end(); } // nobody waits for it

  void end() {
    parts_.seen->prefetch_ended = now_millis();
    add(parts_.seen->prefetch_millis, parts_.seen->prefetch_ended - parts_.seen->prefetch_began);
    quit();
  }

  /// Asks for the next batch, or ends.
  void step() {
    std::vector<chunk> batch;
    std::uint32_t blob_index = 0;
    std::uint64_t size = 0;
    while (size < std::max<std::uint64_t>(parts_.settings.batch_size, 1)) {
      if (slices_.empty() && !refill())
        break;
      if (slices_.empty())
        continue;
      const auto& next = slices_.front().source;
      if (!batch.empty() && next.blob_index != blob_index)
        break;
      blob_index = next.blob_index;
      size += next.is_compressed ? next.compressed_size : next.uncompressed_size;
      batch.push_back(next);
      slices_.pop_front();
    }
    if (batch.empty())
      return end();
    send(parts_.caches[blob_index],
         prefetch_chunks{caf::actor_cast<caf::actor>(this), std::move(batch), parts_.cause});
  }

  /// Waits for as long as the bandwidth limit asks before the next batch.
  void rest(const prefetched& batch) {
    if (parts_.settings.bandwidth_limit == 0 || batch.bytes == 0)
      return step();
    delayed_send(this, std::chrono::milliseconds{batch.bytes * 1000 / parts_.settings.bandwidth_limit},
                 go_on_atom::value);
  }

  /// Takes the chunks of the next file, or the children of the next directory. False if nothing is left.
  bool refill() {
    if (todo_.empty())
      return false;
    const auto inode = todo_.front();
    todo_.pop_front();
    const auto attributes = parts_.contents->attributes(inode);
    if (!attributes || !seen_.insert(static_cast<std::uint64_t>(inode)).second)
      return true;
    if (S_ISREG(attributes->mode)) {
      std::vector<chunk_slice> slices;
      if (parts_.contents->slices(inode, 0, attributes->size, slices))
        for (auto& slice : slices)
          if (!slice.is_hole)
            slices_.push_back(std::move(slice));
    } else if (S_ISDIR(attributes->mode)) {
      // Files first, then what lies deeper (RAFS v5 spec section 4).
      std::vector<inode_number> files;
      std::vector<inode_number> directories;
      (void) parts_.contents->list(inode, 0, [&](const directory_entry& entry) {
        (S_ISDIR(entry.attributes.mode) ? directories : files).push_back(entry.attributes.number);
        return true;
      });
      todo_.insert(todo_.begin(), directories.begin(), directories.end());
      todo_.insert(todo_.begin(), files.begin(), files.end());
    }
    return true;
  }

  prefetch_parts parts_;
  std::deque<inode_number> todo_;
  std::deque<chunk_slice> slices_;
  std::unordered_set<std::uint64_t> seen_;
};

} // namespace

caf::actor spawn_prefetcher(caf::actor_system& system, prefetch_parts parts) {
  return system.spawn<prefetcher>(std::move(parts));
}

} // namespace nydus
