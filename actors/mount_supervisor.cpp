// SPDX-License-Identifier: Apache-2.0
#include "actors/mount_supervisor.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "actors/error_code.hpp"
#include "actors/fuse_notifier.hpp"
#include "actors/image_opener.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "actors/metadata_answers.hpp"
#include "actors/mount_router.hpp"
#include "actors/pinned.hpp"
#include "actors/prefetcher.hpp"
#include "actors/rafs_mount.hpp"
#include "actors/shared_caches.hpp"
#include "protocol/fuse/device.hpp"

namespace nydus {

namespace {

// Threads that are kept for the next mount.
constexpr std::size_t most_idle_openers = 2;

// How long a change waits for the kernel to forget a name. It takes microseconds, unless a process lists the
// directory into memory that is a page of a hung mount: then whoever asked for the change has not to pay.
constexpr std::chrono::seconds patience_with_kernel{1};

using promise = caf::typed_response_promise<mount_changed>;

struct mounted {
  std::shared_ptr<const mount_record> record;
  mount_image request;
  caf::actor mount;
  caf::actor prefetching; // null: nothing to prefetch
  shared_caches::lease caches;
};

std::uint64_t nanoseconds_of(std::chrono::system_clock::time_point at) noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count());
}

class mount_supervisor : public pinned_actor {
public:
  mount_supervisor(caf::actor_config& config, reactor& control, std::vector<caf::actor> routers)
      : pinned_actor(config, control, "mount_supervisor"), routers_(std::move(routers)),
        caches_(config.host->system()) {}

  caf::behavior make_behavior() override {
    return {
        [this](const mount_image& asked) { return begin(asked, false); },
        [this](const remount_image& asked) { return begin(asked.replacement, true); },
        [this](const unmount_image& asked) { return unmount(asked); },
        [this](const list_mounts&) { return list(); },
        [this](const list_backends&) { return caches_.backends(); },
        [this](const list_file_counters& asked) { return ask_mount(asked); },
        [this](const know_kernel& known) { kernel_ = known; },
    };
  }

  void on_exit() override {
    for (auto& [path, one] : mounts_)
      end(one);
    mounts_.clear();
    if (kernel_.notifier)
      anon_send_exit(kernel_.notifier, caf::exit_reason::user_shutdown);
    kernel_ = {};
    for (const auto& opener : std::exchange(idle_openers_, {}))
      send_exit(opener, caf::exit_reason::user_shutdown);
    routers_.clear();
  }

private:
  caf::typed_response_promise<file_counter_list> ask_mount(const list_file_counters& asked) {
    auto answer = make_response_promise<caf::typed_response_promise<file_counter_list>>();
    const auto found = mounts_.find(asked.mountpoint);
    if (found == mounts_.end()) {
      answer.deliver(to_error({errc::not_found, "object or filesystem doesn't exist"}));
      return answer;
    }
    request(found->second.mount, caf::infinite, asked)
        .then([answer](const file_counter_list& counters) mutable { answer.deliver(counters); },
              [answer](const caf::error& why) mutable { answer.deliver(caf::error{why}); });
    return answer;
  }

  promise refuse(const failure& why) {
    auto refused = make_response_promise<promise>();
    refused.deliver(to_error(why));
    return refused;
  }

  /// Ends what was made for a mount, unless it has been moved to where it is kept.
  struct unfinished_mount {
    mount_supervisor& of;
    mounted made;
    ~unfinished_mount() {
      if (made.mount)
        of.end(made);
      else
        of.caches_.release(made.caches);
    }
  };

  promise begin(mount_image asked, bool is_remount) {
    auto path = normalize_mountpoint(asked.mountpoint);
    if (!path)
      return refuse(path.error());
    asked.mountpoint = *path;
    const auto found = mounts_.find(*path);
    if (is_remount && found == mounts_.end())
      return refuse({errc::not_found, "object or filesystem doesn't exist"});
    if (!is_remount && found != mounts_.end()) {
      const auto& present = found->second.request;
      if (present.source == asked.source && *present.settings == *asked.settings) {
        auto repeated = make_response_promise<promise>(); // a client that repeats itself after an upgrade
        repeated.deliver(mount_changed{});
        return repeated;
      }
      return refuse({errc::already_exists, "object or filesystem already exists"});
    }
    if (changing_.count(*path) != 0)
      return refuse({errc::already_exists, "another change of '" + *path + "' is under way"});
    const auto opener = idle_opener();
    if (!opener)
      return refuse(opener.error());
    changing_.insert(*path);
    auto answer = make_response_promise<promise>();
    request(*opener, caf::infinite, open_mount{asked})
        .then(
            [this, asked, answer, is_remount, opener = *opener](const opened_image& opened) {
              release(opener);
              survive([&] { complete(asked, opened, is_remount, answer); },
                      [&] {
                        refuse_late(asked.mountpoint, answer, {errc::abandoned, "mounting failed"});
                      });
            },
            [this, asked, answer, opener = *opener](const caf::error& why) mutable {
              release(opener);
              changing_.erase(asked.mountpoint);
              answer.deliver(caf::error{why});
            });
    return answer;
  }

  /// One that waits for no file system: threads are not made for each mount, and one that hangs holds no
  /// other. unavailable if there is no thread for another one.
  result<caf::actor> idle_opener() {
    if (idle_openers_.empty())
      return spawn_image_opener(system());
    auto opener = std::move(idle_openers_.back());
    idle_openers_.pop_back();
    return opener;
  }

  void release(const caf::actor& opener) {
    if (idle_openers_.size() < most_idle_openers)
      idle_openers_.push_back(opener);
    else
      send_exit(opener, caf::exit_reason::user_shutdown);
  }

  void complete(const mount_image& asked, const opened_image& opened, bool is_remount, promise answer) {
    const auto& path = asked.mountpoint;
    if (is_remount && mounts_.count(path) == 0) // unmounted while the image was opened
      return refuse_late(path, answer, {errc::not_found, "object or filesystem doesn't exist"});
    rafs_mount_parts parts;
    parts.mountpoint = path;
    parts.number = next_number();
    parts.is_root = path == "/";
    parts.contents = opened.contents;
    parts.settings = asked.settings;
    parts.counters = std::make_shared<mount_counters>();
    parts.cache_seen = std::make_shared<cache_counters>();
    const auto root = opened.contents->attributes(opened.contents->description().root);
    if (!root)
      return refuse_late(path, answer, root.error());
    unfinished_mount unfinished{*this, {}};
    auto& added = unfinished.made;
    added.request = asked;
    auto record = std::make_shared<mount_record>();
    auto attached = caches_.attach(*asked.settings, opened);
    added.caches = std::move(attached.held);
    parts.blobs = std::move(attached.blobs);
    record->blobs = std::move(attached.records);
    record->backend = std::move(attached.backend);
    added.mount = spawn_rafs_mount(system(), parts);
    const auto now = std::chrono::system_clock::now();
    const route_step step{is_remount ? route_step::kind::replace : route_step::kind::add,
                          path,
                          {added.mount, parts.number, attributes_in(parts, *root)},
                          nanoseconds_of(now)};
    std::vector<stale_entry> before;
    if (is_remount)
      before = names_below_root(path);
    record->number = parts.number;
    record->mountpoint = path;
    record->source = asked.source;
    record->mounted_at = now;
    record->settings = asked.settings;
    record->contents = opened.contents;
    record->counters = parts.counters;
    record->cache = parts.cache_seen;
    added.record = std::move(record);
    auto& kept = mounts_[path];
    auto change = table_.take(step);
    if (!change) {
      if (!is_remount)
        mounts_.erase(path);
      return refuse_late(path, answer, change.error());
    }
    auto old = std::exchange(kept, std::move(added));
    start_prefetch(asked, parts, kept);
    change->gone.insert(change->gone.end(), before.begin(), before.end());
    auto finish = [this, path, answer]() mutable {
      changing_.erase(path);
      answer.deliver(mount_changed{});
    };
    if (!is_remount && withdrawals_ == 0) {
      announce(step, *change);
      return finish();
    }
    withdraw(step, *change, [this, old = std::move(old), finish]() mutable {
      if (old.mount)
        end(old);
      finish();
    });
  }

  void refuse_late(const std::string& path, promise answer, const failure& why) {
    changing_.erase(path);
    answer.deliver(to_error(why));
  }

  void start_prefetch(const mount_image& asked, const rafs_mount_parts& parts, mounted& added) {
    auto settings = asked.settings->cache_prefetch.enabled ? asked.settings->cache_prefetch
                                                           : asked.settings->rafs_prefetch;
    if (!settings.enabled && asked.prefetch_files.empty())
      return;
    if (parts.blobs.empty() || !parts.blobs.front().files)
      return; // nothing would be kept
    prefetch_parts wanted{asked.mountpoint,     parts.contents,   settings,          {},
                          asked.prefetch_files, parts.cache_seen, {{}, parts.number}};
    for (const auto& one : parts.blobs)
      wanted.caches.push_back(one.cache);
    added.prefetching = spawn_prefetcher(system(), std::move(wanted));
  }

  promise unmount(const unmount_image& asked) {
    const auto path = normalize_mountpoint(asked.mountpoint);
    if (!path)
      return refuse(path.error());
    const auto found = mounts_.find(*path);
    if (found == mounts_.end())
      return refuse({errc::not_found, "object or filesystem doesn't exist"});
    auto before = names_below_root(*path);
    auto old = std::move(found->second);
    mounts_.erase(found);
    const route_step step{
        route_step::kind::remove, *path, {}, nanoseconds_of(std::chrono::system_clock::now())};
    auto change = *table_.take(step); // what is mounted can be removed
    change.gone.insert(change.gone.end(), before.begin(), before.end());
    auto answer = make_response_promise<promise>();
    withdraw(step, change, [this, old = std::move(old), answer]() mutable {
      end(old);
      answer.deliver(mount_changed{});
    });
    return answer;
  }

  /// Names that the kernel may know below node 1 because of a mount at "/".
  std::vector<stale_entry> names_below_root(const std::string& path) const {
    std::vector<stale_entry> names;
    if (path == "/") {
      const auto& contents = *mounts_.at(path).record->contents;
      (void) contents.list(contents.description().root, 0, [&](const directory_entry& entry) {
        names.push_back({FUSE_ROOT_ID, std::string{entry.name}});
        return true;
      });
    }
    return names;
  }

  /// What is new, where the kernel has nothing to forget: routers and kernel know of it before any request
  /// that comes from now on, since messages are taken in the order in which they were sent.
  void announce(const route_step& step, const table_change& change) {
    for (const auto& router : routers_)
      send(router, take_route{step});
    recall_listings(change);
  }

  /// What is gone: has all routers take the step, then the kernel forget the names, then goes on. No request
  /// comes to the mount after that. Withdrawals end in the order in which they began; what is new goes the
  /// same way while one is under way, since its name, or that of a directory above it, may be one that the
  /// kernel has still to forget.
  void withdraw(const route_step& step, const table_change& change, std::function<void()> next) {
    ++withdrawals_;
    auto missing = std::make_shared<std::size_t>(routers_.size());
    const auto last = std::make_shared<std::function<void()>>(std::move(next));
    const auto go_on = [this, last] {
      if (const auto once = std::exchange(*last, nullptr)) {
        --withdrawals_;
        once();
      }
    };
    const auto forget = [this, change, go_on, path = step.path] {
      recall_listings(change);
      if (!kernel_.notifier)
        return go_on();
      request(kernel_.notifier, patience_with_kernel, forget_names{change.gone})
          .then([go_on](const names_forgotten&) { go_on(); },
                [go_on, path](const caf::error&) {
                  log_line(log_level::warning, "the kernel may show '" + path +
                                                   "' for some time: the directory above it is in use");
                  go_on();
                });
    };
    if (routers_.empty())
      return forget();
    for (const auto& router : routers_) {
      const auto one_less = [this, missing, forget, go_on] {
        if (--*missing == 0)
          survive(forget, go_on);
      };
      request(router, caf::infinite, change_route{step})
          .then([one_less](const route_changed&) { one_less(); },
                [one_less](const caf::error&) { one_less(); });
    }
  }

  /// Has the kernel ask for the directories' times, which tell it that their listings are stale.
  void recall_listings(const table_change& change) const {
    if (kernel_.fd >= 0)
      for (const auto directory : change.changed)
        (void) fuse::notify_attributes_changed(kernel_.fd, directory); // unknown to it: nothing is stale
  }

  /// Whatever happens, who asked for the change is answered after it.
  void end(mounted& leaving) noexcept {
    survive(
        [&] {
          send(leaving.mount, leave_mount{});
          if (leaving.prefetching)
            send_exit(leaving.prefetching, caf::exit_reason::user_shutdown);
          caches_.release(leaving.caches);
        },
        [] {});
  }

  /// Numbers are used again only after all others have had their turn, so a stale node id finds no mount.
  std::uint32_t next_number() {
    do
      last_number_ = last_number_ + 1 < mount_number_limit ? last_number_ + 1 : 1;
    while (table_.find_mount(last_number_) != nullptr);
    return last_number_;
  }

  mount_list list() const {
    mount_list all;
    for (const auto& [path, one] : mounts_)
      all.mounts.push_back(one.record);
    return all;
  }

  std::vector<caf::actor> routers_;
  know_kernel kernel_;          // once a session has begun
  std::size_t withdrawals_ = 0; // under way
  route_table table_;
  std::map<std::string, mounted> mounts_; // by normalized path
  shared_caches caches_;
  std::vector<caf::actor> idle_openers_;
  std::set<std::string> changing_; // mountpoints whose image is being opened
  std::uint32_t last_number_ = 0;
};

} // namespace

caf::actor spawn_mount_supervisor(caf::actor_system& system, reactor& control,
                                  std::vector<caf::actor> routers) {
  return spawn_pinned<mount_supervisor>(system, control, std::move(routers));
}

} // namespace nydus
