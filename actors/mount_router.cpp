// SPDX-License-Identifier: Apache-2.0
#include "actors/mount_router.hpp"

#include <cerrno>
#include <sys/stat.h>

#include "actors/attribute_reply.hpp"
#include "actors/fs_request.hpp"
#include "actors/hot_message.hpp"
#include "actors/message_types.hpp"
#include "actors/pinned.hpp"
#include "protocol/fuse/dirent_packer.hpp"

namespace nydus {

namespace {

class mount_router : public pinned_actor {
public:
  mount_router(caf::actor_config& config, reactor& home) : pinned_actor(config, home, "mount_router") {}

  caf::behavior make_behavior() override {
    return {
        // The supervisor's own table has taken the step, so this one can.
        [this](const take_route& taken) { (void) table_.take(taken.step); },
        [this](const change_route& change) {
          (void) table_.take(change.step);
          return route_changed{};
        },
    };
  }

private:
  bool take_hot(caf::mailbox_element& message) override {
    auto* request = message_as<fs_request>(message);
    if (request != nullptr)
      direct(*request);
    return request != nullptr;
  }

  void start_anew(const caf::type_erased_tuple& lost) noexcept override {
    if (const auto* request = as<fs_request>(lost); request != nullptr && request->port)
      fail(*request, EIO);
  }

  void direct(fs_request& request) {
    const auto node = request.asked.nodeid;
    const route* to = nullptr;
    if (mount_of(node) != 0)
      to = table_.find_mount(mount_of(node));
    else if (node == FUSE_ROOT_ID)
      to = table_.root_mount();
    if constexpr (is_tracing)
      request.times.routed = now_nanoseconds();
    if (to != nullptr)
      hand_on(to->mount, context(), std::move(request));
    else if (const auto* directory = mount_of(node) == 0 ? table_.find_directory(node) : nullptr)
      serve(request, *directory);
    else
      // Of a mount that is gone. Who reads has the file open: to it names mean nothing, but its bytes are
      // lost.
      fail(request, request.asked.opcode == FUSE_READ ? EIO : ENOENT);
  }

  /// How long a kernel may believe what a mount or an unmount changes, in seconds.
  static std::uint64_t validity(const fs_request& request) noexcept {
    return request.can_recall ? fuse::forever : 0;
  }

  /// A name in a pseudo-directory. What a mount's root is like never changes, whether it is there may.
  static fuse_entry_out entry_of(const fs_request& request, const pseudo_entry& entry) noexcept {
    auto out = entry_reply(entry.attributes, validity(request));
    if (entry.is_mount)
      out.attr_valid = fuse::forever;
    return out;
  }

  void serve(const fs_request& request, const pseudo_directory& directory) {
    switch (request.asked.opcode) {
    case FUSE_LOOKUP:
      return lookup(request, directory);
    case FUSE_GETATTR:
      return answer(request, inline_body::of(attributes_reply(directory.attributes, validity(request))));
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
      return read_directory(request, directory);
    case FUSE_STATFS: {
      fuse_statfs_out out{};
      out.st.bsize = out.st.frsize = 512;
      out.st.namelen = 255;
      return answer(request, inline_body::of(out));
    }
    case FUSE_GETXATTR:
      return fail(request, ENODATA);
    case FUSE_LISTXATTR:
      if (request.asked.size == 0)
        return answer(request, inline_body::of(fuse_getxattr_out{}));
      return answer(request, std::monostate{});
    case FUSE_READ:
      return fail(request, EISDIR);
    case FUSE_READLINK:
      return fail(request, EINVAL);
    default:
      return fail(request, ENOSYS);
    }
  }

  void lookup(const fs_request& request, const pseudo_directory& directory) {
    if (request.asked.name == "." || request.asked.name == "..") {
      const auto* found = request.asked.name == "." ? &directory : table_.find_directory(directory.parent);
      return answer(request, inline_body::of(entry_reply(found->attributes, validity(request))));
    }
    const auto found = directory.entries.find(request.asked.name);
    if (found == directory.entries.end())
      return fail(request, ENOENT); // not remembered by the kernel: a mount may come
    answer(request, inline_body::of(entry_of(request, found->second)));
  }

  void read_directory(const fs_request& request, const pseudo_directory& directory) {
    fuse::dirent_packer packer{request.asked.size, request.asked.opcode == FUSE_READDIRPLUS};
    // Cursor 0 is ".", 1 is "..", k + 2 is name k. A kernel keeps a listing without any entry for ever, so
    // that a mount would never show in it: these two are always there.
    auto cursor = request.asked.offset;
    const fuse_entry_out none{};
    bool fits = true;
    if (cursor == 0)
      fits = packer.add(".", directory.attributes.ino, ++cursor, S_IFDIR >> 12, none);
    if (fits && cursor == 1)
      fits = packer.add("..", directory.parent, ++cursor, S_IFDIR >> 12, none);
    std::uint64_t position = 2;
    for (const auto& [name, entry] : directory.entries) { // in name order
      if (!fits)
        break;
      if (position++ >= cursor)
        fits = packer.add(name, entry.attributes.ino, position, S_IFDIR >> 12, entry_of(request, entry));
    }
    answer(request, std::move(packer).take());
  }

  template <class Body>
  void answer(const fs_request& request, Body body) {
    send(request.port, fs_reply{request.slot, 0, request.times, std::move(body)});
  }
  void fail(const fs_request& request, int error) {
    send(request.port, fs_reply{request.slot, error, request.times, {}});
  }

  route_table table_;
};

} // namespace

caf::actor spawn_mount_router(caf::actor_system& system, reactor& home) {
  return spawn_pinned<mount_router>(system, home);
}

} // namespace nydus
